"""Stops training when the validation metric no longer improves."""

import os
from pathlib import Path
from typing import Any

import keras

from keras_attn.training.callbacks.history_writer import read_validations
from keras_attn.training.replicas.workers import Workers


class EarlyStopping(keras.callbacks.Callback):
    """Stops after `patience` validations in a row without a new best.

    It reads earlier validations from the history. So an interrupted run stops at the same step
    as an uninterrupted one. Put this callback after the `HistoryWriter`.

    Args:
        history: path. `history.jsonl`.
        monitor: str. The metric, such as `val_perplexity`.
        higher_is_better: bool. Whether higher values are better.
        patience: int. The number of validations.
        after_step: int. Validations up to this step do not count: they were of other pairs.
        workers: Workers or None. The workers that train together; the chief's history decides.

    Attributes:
        reached: bool. Whether it is time to stop.
    """

    def __init__(
        self,
        history: str | os.PathLike,
        monitor: str,
        higher_is_better: bool,
        patience: int,
        after_step: int = 0,
        workers: Workers | None = None,
    ) -> None:
        super().__init__()
        self._history = Path(history)
        self._monitor = monitor
        self._sign = 1.0 if higher_is_better else -1.0
        self._patience, self._after_step = patience, after_step
        self._workers = workers or Workers()

    @property
    def reached(self) -> bool:
        """Whether none of the last `patience` validations is better than all before."""
        # A resumed run may have another metric than the validations before.
        lines = [
            line
            for line in read_validations(self._history)
            if self._monitor in line and line["step"] > self._after_step
        ]
        values = [self._sign * line[self._monitor] for line in lines]
        if len(values) <= self._patience:
            return False
        return max(values[-self._patience :]) <= max(values[: -self._patience])

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Stops if it is time."""
        if self._workers.from_chief(self.reached):
            self.model.stop_training = True
