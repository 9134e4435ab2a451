"""Puts back the running metrics of a training that was interrupted."""

from typing import Any

import keras
import numpy as np

from keras_attn.training.run.checkpoint_file import restore_metrics


class RestoredMetrics(keras.callbacks.Callback):
    """Puts back the running metrics once, at the first beginning of an epoch.

    Keras sets them to 0 there. Without this, the loss would be the mean of only the updates since
    the interruption. Put it before the callbacks that read metrics.

    Args:
        state: dict of str to array. What `read_checkpoint` returned.
    """

    def __init__(self, state: dict[str, np.ndarray]) -> None:
        super().__init__()
        self._state = state

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Restores them the first time."""
        restore_metrics(self.model, self._state)
        self._state = {}
