"""Shows the progress of training: a live bar on a terminal, plain lines elsewhere."""

import time
from typing import Any

import keras
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from keras_attn.training.callbacks.pace import Pace
from keras_attn.training.callbacks.step_counter import StepCounter
from keras_attn.training.callbacks.throughput import Throughput
from keras_attn.training.show_line import show_line
from keras_attn.training.step_plan import StepPlan

_METRIC_WORDS = {
    "loss": "loss",
    "val_loss": "validation loss",
    "val_perplexity": "perplexity",
    "val_token_accuracy": "accuracy",
    "val_bleu": "BLEU",
    "val_truncated": "truncated",
}


class ProgressDisplay(keras.callbacks.Callback):
    """Shows step, loss, learning rate, target tokens per second and time left.

    If the console is not a terminal (a file, a job's log), it prints a line every `line_seconds`
    instead of drawing a bar. In both cases every validation prints a line.

    Args:
        console: rich Console. Where to show it.
        steps: StepCounter. The step counter of the run.
        throughput: Throughput. It measures the speed.
        plan: StepPlan or None. It knows the last update, or will know it.
        max_seconds: float or None. The time limit of this session.
        pace: Pace or None. It predicts the time that is left.
        line_seconds: float. Seconds between two plain lines.
    """

    def __init__(
        self,
        console: Console,
        steps: StepCounter,
        throughput: Throughput,
        plan: StepPlan | None = None,
        max_seconds: float | None = None,
        pace: Pace | None = None,
        line_seconds: float = 15.0,
    ) -> None:
        super().__init__()
        self._console = console
        self._steps = steps
        self._throughput = throughput
        self._plan = plan
        self._max_seconds = max_seconds
        self._pace = pace
        self._line_seconds = line_seconds
        self._progress: Progress | None = None
        self._started = self._last_shown = 0.0
        self._first_step = 0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Starts the clock and, on a terminal, the bar."""
        # A run that resumes between two validations calls `fit` twice. The clock starts once.
        is_first = not self._started
        if is_first:
            self._started = self._last_shown = time.monotonic()
            self._first_step = self._steps.step
        if self._console.is_terminal:
            self._progress = Progress(
                TextColumn("training"),
                BarColumn(),
                TextColumn("{task.description}"),
                console=self._console,
                transient=True,
            )
            self._progress.add_task("compiling the first step" if is_first else "", total=1.0)
            self._progress.start()
        elif is_first:
            self._show("training: compiling the first step")

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Refreshes the bar, or prints a line if one is due."""
        now = time.monotonic()
        interval = 0.2 if self._progress is not None else self._line_seconds
        if now - self._last_shown < interval:
            return
        self._last_shown = now
        text = self._describe(logs or {})
        if self._progress is not None:
            self._progress.update(
                self._progress.task_ids[0], completed=self._share_done(), description=text
            )
        else:
            self._show(text)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Prints the metrics of the validation."""
        values = [
            f"{words} {logs[name]:.4g}"
            for name, words in _METRIC_WORDS.items()
            if logs and name in logs and (logs[name] or name != "val_truncated")
        ]
        self._show(f"step {self._steps.step:,}: {', '.join(values)}")

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Removes the bar."""
        self.close()

    def close(self) -> None:
        """Removes the bar. After an exception Keras does not call `on_train_end`."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def seconds_left(self) -> float | None:
        """Predicts the remaining seconds, validations included and compilation left out.

        Returns:
            float, by the limit that comes first; None if no update has been measured yet, or no
            limit is known.
        """
        left = []
        if self._last_step is not None and self._pace is not None and self._pace.is_known:
            left.append(self._pace.seconds_until(self._last_step))
        if self._max_seconds is not None:
            left.append(max(0.0, self._max_seconds - (time.monotonic() - self._started)))
        return min(left, default=None)

    @property
    def _last_step(self) -> int | None:
        return None if self._plan is None else self._plan.last_step

    def _share_done(self) -> float:
        """The share of this session that is done, 0 to 1, by the limit that comes first."""
        shares = [0.0]
        last_step = self._last_step
        if last_step is not None:
            to_do = max(1, last_step - self._first_step)
            shares.append((self._steps.step - self._first_step) / to_do)
        if self._max_seconds is not None:
            shares.append((time.monotonic() - self._started) / self._max_seconds)
        return min(1.0, max(shares))

    def _describe(self, logs: dict[str, Any]) -> str:
        of_steps = f"/{self._last_step:,}" if self._last_step is not None else ""
        parts = [f"step {self._steps.step:,}{of_steps}"]
        if "loss" in logs:
            parts.append(f"loss {logs['loss']:.3f}")
        parts.append(f"rate {float(self.model.optimizer.learning_rate):.2e}")
        parts.append(f"{self._throughput.recent_tokens_per_second:,.0f} target tokens/s")
        seconds = self.seconds_left()
        if seconds is not None:
            minutes, seconds = divmod(int(seconds), 60)
            hours, minutes = divmod(minutes, 60)
            parts.append(f"{hours}:{minutes:02d}:{seconds:02d} left")
        return "  ".join(parts)

    def _show(self, line: str) -> None:
        show_line(self._console, line)
