"""Writes losses and validation metrics to `history.jsonl`."""

import os
import time
from pathlib import Path
from typing import Any

import keras

from keras_attn.lines.json_records import (
    append_records,
    drop_records_after,
    keep_records,
    read_records,
)
from keras_attn.training.callbacks.step_counter import StepCounter
from keras_attn.training.callbacks.throughput import Throughput
from keras_attn.training.replicas.workers import Workers


class HistoryWriter(keras.callbacks.Callback):
    """Appends a JSON object for every validation, and for every few updates in between.

    The object of a validation has the step, all metrics, learning rate, speed and seconds. The
    others have the step, the learning rate, and in `recent_loss` the mean training loss since the
    previous line. Their `loss_sum` and `loss_rows`, the sum and the number of rows since the last
    validation, let a resumed run continue with the same numbers.

    A run that is resumed from step n keeps the lines up to n and drops later ones, because
    their updates are made again. Put this callback before the `CheckpointWriter`, so that every
    checkpoint has its line.

    Args:
        path: path. The file, one JSON object per line.
        steps: StepCounter. The step counter of the run.
        throughput: Throughput or None. The speed, if it is measured.
        log_every_steps: int or None. Updates between two lines of the training loss; None: no such
            lines.
        validate_every_steps: int. Updates between two validations.
        workers: Workers or None. The workers that train together. All read the metrics, which are
            sums over workers; only the chief writes.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        steps: StepCounter,
        throughput: Throughput | None = None,
        log_every_steps: int | None = None,
        validate_every_steps: int = 1,
        workers: Workers | None = None,
    ) -> None:
        super().__init__()
        self._path = Path(path)
        self._steps = steps
        self._throughput = throughput
        self._started = time.monotonic()
        self._log_every_steps = log_every_steps
        self._validate_every_steps = validate_every_steps
        self._next_log_step = 0
        self._is_chief = (workers or Workers()).is_chief
        self._sum_before = self._rows_before = 0.0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Drops the lines of later steps, which are made again."""
        if self._is_chief:
            drop_records_after(self._path, self._steps.step)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Continues from the sums of the last line, if it is later than the last validation."""
        every = self._log_every_steps
        if every is None:
            return
        step = self._steps.step
        epoch_start = step - step % self._validate_every_steps
        written = read_records(self._path) if self._is_chief else []
        lines = [line for line in written if line["step"] > epoch_start]
        last = lines[-1] if lines else {}
        self._sum_before = last.get("loss_sum", 0.0)
        self._rows_before = last.get("loss_rows", 0.0)
        self._next_log_step = step - step % every + every

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Appends a line with the loss if one is due and no validation follows."""
        step, every = self._steps.step, self._log_every_steps
        if every is None or step < self._next_log_step:
            return
        self._next_log_step = step - step % every + every
        if step % self._validate_every_steps == 0:
            return
        loss = next(metric for metric in self.model.metrics if metric.name == "loss")
        loss_sum, loss_rows = _number(loss.total), _number(loss.count)
        rows = max(loss_rows - self._rows_before, 1.0)
        line = {
            "step": step,
            "recent_loss": (loss_sum - self._sum_before) / rows,
            "loss_sum": loss_sum,
            "loss_rows": loss_rows,
            "learning_rate": float(self.model.optimizer.learning_rate),
        }
        self._sum_before, self._rows_before = loss_sum, loss_rows
        if self._is_chief:
            append_records(self._path, [line])

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Appends the line of a validation."""
        if not self._is_chief:
            return
        line: dict[str, Any] = {"step": self._steps.step}
        line.update(logs or {})
        line["learning_rate"] = float(self.model.optimizer.learning_rate)
        if self._throughput is not None:
            line["target_tokens_per_second"] = self._throughput.recent_tokens_per_second
        line["seconds"] = time.monotonic() - self._started
        append_records(self._path, [line])


def drop_validations_from(path: Path, step: int) -> None:
    """Drops the records of the validation at a step, and of later ones; the losses stay.

    Args:
        path: Path. `history.jsonl` or `samples.jsonl`; nothing happens if it is missing.
        step: int. The step.
    """
    keep_records(path, lambda record: record["step"] < step or "recent_loss" in record)


def _number(variable: keras.Variable) -> float:
    """The value of a metric's variable: the sum over replicas and workers."""
    return float(keras.ops.convert_to_numpy(variable))


def read_validations(path: str | os.PathLike) -> list[dict[str, Any]]:
    """Returns the lines of a history that belong to validations.

    Args:
        path: path. `history.jsonl`.

    Returns:
        list of dict.
    """
    return [line for line in read_records(path) if "recent_loss" not in line]
