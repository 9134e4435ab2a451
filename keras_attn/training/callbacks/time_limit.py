"""Ends a training after a time."""

import time
from typing import Any

import keras


class TimeLimit(keras.callbacks.Callback):
    """Stops at the first update that ends after `max_minutes`; validation and checkpoint follow.

    The time is that of this session, from the beginning of the training, with everything in it:
    compilation, validation, translation for BLEU.

    Args:
        max_minutes: float. The limit, in minutes.
    """

    def __init__(self, max_minutes: float) -> None:
        super().__init__()
        self._max_seconds = 60.0 * max_minutes
        self._started = 0.0
        self.reached = False

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Starts the clock."""
        self._started = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Stops once the time is over."""
        if time.monotonic() - self._started >= self._max_seconds:
            self.reached = True
            self.model.stop_training = True
