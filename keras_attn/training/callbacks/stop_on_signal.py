"""Stops training after a signal, with a checkpoint."""

import signal
from typing import Any

import keras

from keras_attn.training.callbacks.checkpoint_writer import CheckpointWriter
from keras_attn.training.replicas.workers import Workers
from keras_attn.training.stop_signals import StopSignals, TrainingInterrupted


class StopOnSignal(keras.callbacks.Callback):
    """Saves a checkpoint and raises after the update in which any worker received a signal.

    Args:
        signals: StopSignals. Already entered with `with`.
        workers: Workers. The workers that train together.
        writer: CheckpointWriter. It saves the checkpoint.

    Raises:
        TrainingInterrupted: at the end of the update.
    """

    def __init__(self, signals: StopSignals, workers: Workers, writer: CheckpointWriter) -> None:
        super().__init__()
        self._signals = signals
        self._workers = workers
        self._writer = writer

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Checks whether a signal has arrived."""
        if self._workers.any(self._signals.received is not None):
            self._writer.write({})
            raise TrainingInterrupted(self._signals.received or signal.SIGTERM)
