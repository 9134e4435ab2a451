"""How many updates a run has made, over all its sessions."""

from typing import Any

import keras


class StepCounter(keras.callbacks.Callback):
    """Counts updates from the step at which this session starts.

    Put it first in the list of callbacks; the others read `step`. (The optimizer does not
    count updates that it withholds, so its count is not the position in the data stream.)

    Args:
        step: int. Updates made in earlier sessions.

    Example:

    >>> StepCounter(step=300).step
    300
    """

    def __init__(self, step: int = 0) -> None:
        super().__init__()
        self.step = step
        self._step_before_epoch = step

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Stores the step at which the epoch starts."""
        self._step_before_epoch = self.step

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Advances: `batch` is the index of the last batch in this epoch, from 0."""
        self.step = self._step_before_epoch + batch + 1
