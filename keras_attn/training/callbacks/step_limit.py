"""Stops training after the planned number of updates."""

from typing import Any

import keras

from keras_attn.training.callbacks.step_counter import StepCounter
from keras_attn.training.step_plan import StepPlan


class StepLimit(keras.callbacks.Callback):
    """Stops after the last update of the plan; the validation and the checkpoint still follow.

    Args:
        steps: StepCounter. The step counter of the run.
        plan: StepPlan. It knows the last update, or will know it.
    """

    def __init__(self, steps: StepCounter, plan: StepPlan) -> None:
        super().__init__()
        self._steps = steps
        self._plan = plan

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Stops at the limit."""
        if self._plan.last_step is not None and self._steps.step >= self._plan.last_step:
            self.model.stop_training = True
