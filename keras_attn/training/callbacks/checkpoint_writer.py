"""Saves weights and optimizer state after every validation."""

import math
import os
from typing import Any

import keras

from keras_attn.training.callbacks.step_counter import StepCounter
from keras_attn.training.checkpoint_index import Checkpoint, CheckpointIndex
from keras_attn.training.non_finite_loss_error import NonFiniteLossError


class CheckpointWriter(keras.callbacks.Callback):
    """Writes `step-00000100.weights.h5`, weights and optimizer state, and enters it in the index.

    A file is written under another name and then renamed, so that a file of the final name is
    always whole.

    Args:
        index: CheckpointIndex. Where they go and how many are kept.
        steps: StepCounter. Where the run is.
    """

    def __init__(self, index: CheckpointIndex, steps: StepCounter) -> None:
        super().__init__()
        self._index = index
        self._steps = steps

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Saves a checkpoint with what the validation gave, unless the weights are spoiled.

        The last update before a validation may spoil them without its own loss showing it.
        """
        loss = (logs or {}).get("val_loss", 0.0)
        if not math.isfinite(loss):
            raise NonFiniteLossError(self._steps.step, float(loss))
        self.write({name: float(value) for name, value in (logs or {}).items()})

    def write(self, metrics: dict[str, float]) -> Checkpoint:
        """Saves a checkpoint now.

        Args:
            metrics: dict of str to float. What is known of it; may be empty.

        Returns:
            The new entry of the index.
        """
        step = self._steps.step
        path = self._index.path_of_step(step)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".partial.{path.name}")
        try:
            self.model.save_weights(temporary)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        return self._index.add(step, metrics)
