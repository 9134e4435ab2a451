"""Ends a training whose loss is no longer a number."""

import math
from typing import Any

import keras

from keras_attn.training.callbacks.step_counter import StepCounter
from keras_attn.training.non_finite_loss_error import NonFiniteLossError


class StopOnNonFiniteLoss(keras.callbacks.Callback):
    """Raises `NonFiniteLossError`, with the step, as soon as the loss is NaN or infinite.

    Nothing is saved after that, so the last checkpoint is a good one.

    Args:
        steps: StepCounter. Where the run is.

    Raises:
        NonFiniteLossError: at the end of the step concerned.
    """

    def __init__(self, steps: StepCounter) -> None:
        super().__init__()
        self._steps = steps

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Looks at the running mean of the loss, which one bad batch is enough to spoil."""
        loss = (logs or {}).get("loss")
        if loss is not None and not math.isfinite(loss):
            raise NonFiniteLossError(self._steps.step, float(loss))
