"""Writes what every validation gave to `history.jsonl`."""

import os
import time
from pathlib import Path
from typing import Any

import keras

from keras_attn.training.callbacks.step_counter import StepCounter
from keras_attn.training.callbacks.throughput import Throughput
from keras_attn.training.json_lines import append_lines, drop_lines_after


class HistoryWriter(keras.callbacks.Callback):
    """Appends one JSON object a validation: step, metrics, learning rate, speed, seconds.

    A run that is resumed from step n keeps the lines up to n and drops later ones, which belong to
    updates that are made again. It comes before the checkpoint is written, so that no checkpoint is
    without its line.

    Args:
        path: path. The file, one JSON object a line.
        steps: StepCounter. Where the run is.
        throughput: Throughput or None. The speed, if it is measured.
    """

    def __init__(
        self, path: str | os.PathLike, steps: StepCounter, throughput: Throughput | None = None
    ) -> None:
        super().__init__()
        self._path = Path(path)
        self._steps = steps
        self._throughput = throughput
        self._started = time.monotonic()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Drops the lines of steps that are made again."""
        drop_lines_after(self._path, self._steps.step)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Appends one line."""
        line: dict[str, Any] = {"step": self._steps.step}
        line.update(logs or {})
        line["learning_rate"] = float(self.model.optimizer.learning_rate)
        if self._throughput is not None:
            line["target_tokens_per_second"] = self._throughput.recent_tokens_per_second
        line["seconds"] = time.monotonic() - self._started
        append_lines(self._path, [line])
