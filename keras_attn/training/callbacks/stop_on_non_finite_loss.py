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
        is_float16: bool. Whether the loss is scaled, and its scale cannot be lowered any more.

    Example:

    >>> NonFiniteLossError(120, float("nan")).step
    120
    """

    def __init__(
        self,
        step: int,
        loss: float,
        are_weights_good: bool = False,
        batch: str = "",
        is_float16: bool = False,
    ) -> None:
        where = f"step {step}{f', {batch}' if batch else ''}"
        kept = (
            f"The weights are those of step {step - 1}"
            if are_weights_good
            else "Checkpoints of earlier steps are intact"
        )
        what = f"a loss of {loss:g}"
        fix = (
            "lower `training.peak_learning_rate`, raise `training.warmup_steps`, or set "
            "`training.clip_norm`"
        )
        if is_float16:
            what += " with a gradient that is too large for float16 at the smallest loss scale"
            fix = (
                f"start a new run with `training.dtype_policy` float32 or mixed_bfloat16, or {fix}"
            )
        super().__init__(
            f"`loss` and its gradient must stay finite. Received: {what} at {where}. {kept}; {fix}"
        )
        self.step = step
        self.loss = loss
        self.are_weights_good = are_weights_good
        self.is_float16 = is_float16


class StopOnNonFiniteLoss(keras.callbacks.Callback):
    """Raises `NonFiniteLossError`, with the step, as soon as loss or gradient is NaN or infinite.

    With `GuardedAdam` the weights are those before that step. If it scales the loss (float16), a
    gradient that is too large lowers the scale, and is an error only at the smallest scale: from
    there on, every update might be withheld.

    Args:
        steps: StepCounter. The step counter of the run.

    Raises:
        NonFiniteLossError: at the end of that step.
    """

    def __init__(self, steps: StepCounter) -> None:
        super().__init__()
        self._steps = steps
        self._withheld_before, self._was_smallest = 0, False  # with a scaled loss

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Reads what an earlier session has withheld."""
        self._note(self._withheld())

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Checks the running mean of the loss, which one bad batch makes NaN or infinite."""
        loss, step = float((logs or {}).get("loss", 0.0)), self._steps.step
        withheld = self._withheld()
        if getattr(self.model.optimizer, "scales_loss", False):
            if self._was_smallest and withheld > self._withheld_before:
                raise NonFiniteLossError(step, loss, are_weights_good=True, is_float16=True)
            self._note(withheld)
            withheld = 0
        if withheld or not math.isfinite(loss):
            step -= max(withheld - 1, 0)
            raise NonFiniteLossError(step, loss, are_weights_good=withheld > 0)

    def _withheld(self) -> int:
        count = getattr(self.model.optimizer, "withheld_updates", 0)
        return int(keras.ops.convert_to_numpy(count))

    def _note(self, withheld: int) -> None:
        optimizer = self.model.optimizer
        self._withheld_before = withheld
        self._was_smallest = getattr(optimizer, "is_smallest_loss_scale", False)
