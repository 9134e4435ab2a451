"""Stops training when the loss or the gradient is no longer finite."""

import math
from typing import Any

import keras

from keras_attn.training.callbacks.step_counter import StepCounter


class NonFiniteLossError(ValueError):
    """The loss, or its gradient, became NaN or infinite.

    Args:
        step: int. The update with that loss or gradient.
        loss: float. The loss.
        are_weights_good: bool. Whether the update was withheld, so that the weights are those
            before it.
        batch: str. A description of the batch, if it is known.

    Example:

    >>> NonFiniteLossError(120, float("nan")).step
    120
    """

    def __init__(
        self, step: int, loss: float, are_weights_good: bool = False, batch: str = ""
    ) -> None:
        where = f"step {step}{f', {batch}' if batch else ''}"
        kept = (
            f"The weights are those of step {step - 1}"
            if are_weights_good
            else "Checkpoints of earlier steps are intact"
        )
        super().__init__(
            f"`loss` and its gradient must stay finite. Received: a loss of {loss:g} at {where}. "
            f"{kept}; lower `training.peak_learning_rate`, raise `training.warmup_steps`, or set "
            "`training.clip_norm`"
        )
        self.step = step
        self.loss = loss
        self.are_weights_good = are_weights_good


class StopOnNonFiniteLoss(keras.callbacks.Callback):
    """Raises `NonFiniteLossError`, with the step, as soon as loss or gradient is NaN or infinite.

    With `GuardedAdam` the weights are those before that step. If it scales the loss (float16), a
    gradient that is too large lowers the scale and is not an error.

    Args:
        steps: StepCounter. The step counter of the run.

    Raises:
        NonFiniteLossError: at the end of that step.
    """

    def __init__(self, steps: StepCounter) -> None:
        super().__init__()
        self._steps = steps

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Checks the running mean of the loss, which one bad batch makes NaN or infinite."""
        loss = float((logs or {}).get("loss", 0.0))
        optimizer = self.model.optimizer
        withheld = 0
        if not getattr(optimizer, "scales_loss", False):
            count = getattr(optimizer, "withheld_updates", 0)
            withheld = int(keras.ops.convert_to_numpy(count))
        if withheld or not math.isfinite(loss):
            step = self._steps.step - max(withheld - 1, 0)
            raise NonFiniteLossError(step, loss, are_weights_good=withheld > 0)
