"""Target tokens per second of training, with and without compilation."""

import statistics
import time
from typing import Any

import keras

from keras_attn.training.update.perplexity import Perplexity

_MIN_CALLS = 8
_COMPILING_FACTOR = 3.0


class Throughput(keras.callbacks.Callback):
    """Measures real target tokens per second of training steps.

    Only the time inside training steps counts: not validation, not checkpoints. XLA compiles the
    step once for every batch shape, which takes seconds. Batches of all shapes cost about the same,
    so a step that took more than 3 times the median counts as one that compiled and is left out of
    `steady_tokens_per_second`.

    Args:
        token_counter: Perplexity. The metric of the compiled model; it counts the target tokens.

    Example:

    >>> Throughput(Perplexity()).tokens_per_second
    0.0
    """

    def __init__(self, token_counter: Perplexity) -> None:
        super().__init__()
        self._token_counter = token_counter
        self._tokens_before = 0.0
        self._started = 0.0
        self._calls: list[tuple[float, float]] = []  # seconds, target tokens

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Reads the metric again: Keras has reset it, or a resumed run has restored it."""
        self._tokens_before = self._count()

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Starts the clock of a step."""
        self._started = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Records the time and the tokens of a step."""
        seconds = time.perf_counter() - self._started
        tokens = self._count()
        self._calls.append((seconds, tokens - self._tokens_before))
        self._tokens_before = tokens

    def _count(self) -> float:
        return float(keras.ops.convert_to_numpy(self._token_counter.token_count))

    @property
    def target_tokens(self) -> float:
        """Target tokens seen in this session."""
        return sum(tokens for _, tokens in self._calls)

    @property
    def step_seconds(self) -> float:
        """Seconds spent in training steps in this session, compilation included."""
        return sum(seconds for seconds, _ in self._calls)

    @property
    def tokens_per_second(self) -> float:
        """Target tokens per second of training steps, compilation included."""
        return _rate(self._calls)

    @property
    def steady_tokens_per_second(self) -> float | None:
        """The same without the steps that compiled; None before there are enough steps to tell."""
        return _rate(self._steady_calls()) if len(self._calls) >= _MIN_CALLS else None

    @property
    def compile_seconds(self) -> float | None:
        """Seconds of the steps that compiled; None before there are enough steps to tell."""
        if len(self._calls) < _MIN_CALLS:
            return None
        return self.step_seconds - sum(seconds for seconds, _ in self._steady_calls())

    @property
    def recent_tokens_per_second(self) -> float:
        """Target tokens per second over the last steps, for a display."""
        return _rate(self._calls[-20:])

    @property
    def recent_step_seconds(self) -> float:
        """The median time of the last calls of the training function, in seconds."""
        recent = [seconds for seconds, _ in self._calls[-20:]]
        return statistics.median(recent) if recent else 0.0

    def _steady_calls(self) -> list[tuple[float, float]]:
        limit = _COMPILING_FACTOR * statistics.median(seconds for seconds, _ in self._calls)
        return [call for call in self._calls if call[0] <= limit]


def _rate(calls: list[tuple[float, float]]) -> float:
    """Tokens per second of some steps; 0 without steps."""
    seconds = sum(seconds for seconds, _ in calls)
    return sum(tokens for _, tokens in calls) / seconds if seconds else 0.0
