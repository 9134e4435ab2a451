"""The learning rate of the paper: a linear warm-up, then the inverse square root (Section 5.3)."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_attn")
class TransformerSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Equation 3: `scale * hidden_dim^-0.5 * min(step^-0.5, step * warmup_steps^-1.5)`.

    The paper counts steps from 1; a Keras optimizer passes 0 at its first update, so this adds one.
    The first update therefore already has a learning rate above 0, and the peak falls on update
    number `warmup_steps`.

    Args:
        hidden_dim: int. The width of the model (d_model).
        warmup_steps: int. The number of updates over which the rate rises.
        scale: float. A factor on the rate; 1.0 gives the paper's.
        name: str. The name of the schedule.

    Raises:
        ValueError: if an argument is not above zero.

    Example:

    >>> schedule = TransformerSchedule(hidden_dim=512, warmup_steps=4000)
    >>> round(schedule.peak_learning_rate, 6)
    0.000699
    >>> round(float(schedule(3999)), 6)
    0.000699
    """

    def __init__(
        self,
        hidden_dim: int,
        warmup_steps: int = 4000,
        scale: float = 1.0,
        name: str = "transformer_schedule",
    ) -> None:
        for argument, value in (
            ("hidden_dim", hidden_dim),
            ("warmup_steps", warmup_steps),
            ("scale", scale),
        ):
            if not value > 0:
                raise ValueError(
                    f"`{argument}` must be greater than zero. Received: {argument}={value}"
                )
        self.hidden_dim = int(hidden_dim)
        self.warmup_steps = int(warmup_steps)
        self.scale = float(scale)
        self.name = name

    @classmethod
    def from_peak(
        cls, peak_learning_rate: float, warmup_steps: int = 4000
    ) -> "TransformerSchedule":
        """Makes the schedule of the same form whose highest rate is `peak_learning_rate`.

        Args:
            peak_learning_rate: float. The rate at update number `warmup_steps`.
            warmup_steps: int. The number of updates over which the rate rises.

        Returns:
            A TransformerSchedule of width 1 with the scale that gives that peak.

        Example:

        >>> round(TransformerSchedule.from_peak(0.002, warmup_steps=100).peak_learning_rate, 6)
        0.002
        """
        return cls(
            hidden_dim=1, warmup_steps=warmup_steps, scale=peak_learning_rate * warmup_steps**0.5
        )

    @property
    def peak_learning_rate(self) -> float:
        """The highest rate, `scale * (hidden_dim * warmup_steps)^-0.5`, at step `warmup_steps`."""
        return self.scale * (self.hidden_dim * self.warmup_steps) ** -0.5

    def __call__(self, step: Any) -> Any:
        """Computes the learning rate of an update.

        Args:
            step: int or integer scalar. The number of updates made before, as Keras counts.

        Returns:
            float32 scalar tensor.
        """
        step = ops.cast(step, "float32") + 1.0
        rising = step * self.warmup_steps**-1.5
        return self.scale * self.hidden_dim**-0.5 * ops.minimum(ops.rsqrt(step), rising)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            "hidden_dim": self.hidden_dim,
            "warmup_steps": self.warmup_steps,
            "scale": self.scale,
            "name": self.name,
        }
