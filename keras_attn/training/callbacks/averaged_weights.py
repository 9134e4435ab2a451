"""Validates the moving averages of the weights in place of the weights."""

from typing import Any

import keras


class AveragedWeights(keras.callbacks.Callback):
    """Swaps the averages that `GuardedAdam` keeps into the model for every validation.

    They stay from its beginning to `on_epoch_end`. Put it after the callbacks that translate, and
    before the one that saves.
    """

    def __init__(self) -> None:
        super().__init__()
        self._are_in = False

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Puts them in."""
        if not self._are_in:
            self.model.optimizer.swap_averages()
            self._are_in = True

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Takes them out."""
        if self._are_in:
            self.model.optimizer.swap_averages()
            self._are_in = False
