"""Stops training at a number of updates."""

from typing import Any

import keras

from keras_attn.training.callbacks.step_counter import StepCounter


class StepLimit(keras.callbacks.Callback):
    """Stops after `max_steps` updates in total; the validation and the checkpoint still follow.

    Args:
        steps: StepCounter. The step counter of the run.
        max_steps: int. The last update.
    """

    def __init__(self, steps: StepCounter, max_steps: int) -> None:
        super().__init__()
        self._steps = steps
        self._max_steps = max_steps

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Stops at the limit."""
        if self._steps.step >= self._max_steps:
            self.model.stop_training = True
