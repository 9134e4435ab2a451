"""Validates the moving averages of the weights instead of the weights."""

from typing import Any

import keras


class AveragedWeights(keras.callbacks.Callback):
    """Swaps the averages that `GuardedAdam` keeps into the model for every validation.

    They stay in the model from the start of the validation to `on_epoch_end`. Put this callback
    after those that translate, and before the one that saves.
    """

    def __init__(self) -> None:
        super().__init__()
        self._is_swapped = False

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Puts the averages in."""
        if not self._is_swapped:
            self.model.optimizer.swap_averages()
            self._is_swapped = True

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Takes the averages out."""
        if self._is_swapped:
            self.model.optimizer.swap_averages()
            self._is_swapped = False
