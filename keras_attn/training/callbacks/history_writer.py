"""Writes what every validation gave to `history.jsonl`."""

import json
import os
import time
from pathlib import Path
from typing import Any

import keras

from keras_attn.training.callbacks.step_counter import StepCounter
from keras_attn.training.callbacks.throughput import Throughput


class HistoryWriter(keras.callbacks.Callback):
    """Appends one JSON object a validation: step, metrics, learning rate, speed, seconds.

    A run that is resumed from step n keeps the lines up to n and drops later ones, which belong to
    updates that are made again.

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
        self._started = 0.0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Starts the clock and drops the lines of steps that are made again."""
        self._started = time.monotonic()
        lines = [one for one in read_history(self._path) if one["step"] <= self._steps.step]
        temporary = self._path.with_name(self._path.name + ".partial")
        temporary.write_text("".join(json.dumps(one) + "\n" for one in lines), encoding="utf-8")
        os.replace(temporary, self._path)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Appends one line."""
        line: dict[str, Any] = {"step": self._steps.step}
        line.update(logs or {})
        line["learning_rate"] = float(self.model.optimizer.learning_rate)
        if self._throughput is not None:
            line["target_tokens_per_second"] = self._throughput.recent_tokens_per_second
        line["seconds"] = time.monotonic() - self._started
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def read_history(path: str | os.PathLike) -> list[dict[str, Any]]:
    """Reads a `history.jsonl`; a last line that was cut off by a crash is left out.

    Args:
        path: path. The file; one that is not there has no lines.

    Returns:
        One dict a validation.

    Raises:
        ValueError: if a line other than the last is not a JSON object with a step.
    """
    path = Path(path)
    if not path.exists():
        return []
    history = []
    texts = path.read_text(encoding="utf-8").splitlines()
    for number, text in enumerate(texts, start=1):
        try:
            line = json.loads(text)
            line["step"]
        except (ValueError, KeyError, TypeError) as error:
            if number == len(texts):
                break
            raise ValueError(
                f"`{path}` must hold one JSON object with a step a line. "
                f"Received: line {number}: {text[:60]!r}"
            ) from error
        history.append(line)
    return history
