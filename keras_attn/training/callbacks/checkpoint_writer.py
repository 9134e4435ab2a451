"""Saves weights, optimizer and the rest of the training state."""

import math
import time
from typing import Any

import keras

from keras_attn.training.callbacks.step_counter import StepCounter
from keras_attn.training.callbacks.stop_on_non_finite_loss import NonFiniteLossError
from keras_attn.training.replicas.workers import Workers
from keras_attn.training.run.checkpoint_file import (
    CheckpointError,
    training_state,
    write_checkpoint,
)
from keras_attn.training.run.checkpoint_index import CheckpointIndex


class CheckpointWriter(keras.callbacks.Callback):
    """Writes `step-00000100.weights.h5` and adds it to the index, after validations and by time.

    A file is written under a temporary name and then renamed, so a file with the final name is
    always complete. With several workers, the chief writes.

    Args:
        index: CheckpointIndex. It decides the paths, and how many checkpoints are kept.
        steps: StepCounter. The updates so far.
        workers: Workers or None. The workers that train together; None: one worker.
        every_minutes: float or None. Also save after this many minutes without a checkpoint.
    """

    def __init__(
        self,
        index: CheckpointIndex,
        steps: StepCounter,
        workers: Workers | None = None,
        every_minutes: float | None = None,
    ) -> None:
        super().__init__()
        self._index = index
        self._steps = steps
        self._workers = workers or Workers()
        self._every_seconds = math.inf if every_minutes is None else 60.0 * every_minutes
        self._last_saved = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Saves if the time has passed."""
        is_time = time.monotonic() - self._last_saved >= self._every_seconds
        if self._every_seconds < math.inf and self._workers.from_chief(is_time):
            self.write({})

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Saves a checkpoint with the validation metrics, unless the validation loss is not finite.

        The last update before a validation may ruin the weights without an effect on its own loss.
        """
        loss = (logs or {}).get("val_loss", 0.0)
        if not math.isfinite(loss):
            raise NonFiniteLossError(self._steps.step, float(loss))
        self.write({name: float(value) for name, value in (logs or {}).items()})

    def write(self, metrics: dict[str, float], with_metrics_so_far: bool = True) -> None:
        """Saves a checkpoint now.

        Args:
            metrics: dict of str to float. The validation metrics; empty if there was none.
            with_metrics_so_far: bool. Whether to save the running training metrics.

        Raises:
            CheckpointError: if it could not be written.
        """
        # After a validation the metrics start again from 0, so their sums need not be kept.
        state = training_state(self.model, with_metrics_so_far and not metrics)
        if self._workers.is_chief:
            step = self._steps.step
            try:
                self._index.expect(step, metrics)
                crc32 = write_checkpoint(self.model, self._index.path_of_step(step), state)
                self._index.add(step, metrics, crc32)
            except CheckpointError:
                raise
            except OSError as error:
                raise CheckpointError(self._index.directory, error.strerror or "") from error
        self._last_saved = time.monotonic()
