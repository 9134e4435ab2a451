"""Stops training after a time limit."""

import time
from typing import Any

import keras

from keras_attn.training.replicas.workers import Workers


class TimeLimit(keras.callbacks.Callback):
    """Stops at the first update that ends after `max_minutes`; validation and checkpoint follow.

    The time starts when this session starts to train, and includes compilation, validation and
    translation for BLEU.

    Args:
        max_minutes: float. The limit, in minutes.
        workers: Workers or None. The workers that train together; the chief's clock decides.
    """

    def __init__(self, max_minutes: float, workers: Workers | None = None) -> None:
        super().__init__()
        self.max_minutes = max_minutes
        self._workers = workers or Workers()
        self._started: float | None = None
        self.reached = False

    @property
    def max_seconds(self) -> float:
        """The limit, in seconds."""
        return 60.0 * self.max_minutes

    @property
    def seconds(self) -> float:
        """Seconds since this session started to train."""
        return 0.0 if self._started is None else time.monotonic() - self._started

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Starts the clock, the first time."""
        if self._started is None:
            self._started = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Stops when the time is over."""
        is_over = self.seconds >= self.max_seconds
        if self._workers.from_chief(is_over):
            self.reached = True
            self.model.stop_training = True
