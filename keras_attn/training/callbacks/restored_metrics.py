"""Restores the running metrics of an interrupted run."""

from typing import Any

import keras
import numpy as np

from keras_attn.training.run.checkpoint_file import restore_metrics


class RestoredMetrics(keras.callbacks.Callback):
    """Restores the running metrics once, at the start of the first epoch.

    Keras sets them to 0 there. Without this callback, the loss would be the mean of only the
    updates since the interruption. Put it before the callbacks that read metrics.

    Args:
        state: dict of str to array. The result of `read_checkpoint`.
    """

    def __init__(self, state: dict[str, np.ndarray]) -> None:
        super().__init__()
        self._state = state

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Restores the metrics the first time."""
        restore_metrics(self.model, self._state)
        self._state = {}
