"""Target tokens per second of training, with and without compilation."""

import dataclasses
import statistics
import time
from typing import Any

import keras

from keras_attn.training.update.perplexity import Perplexity

_MIN_CALLS = 8
_COMPILING_FACTOR = 3.0
_MOST_FOR_EACH_READING = 512


class Throughput(keras.callbacks.Callback):
    """Measures real target tokens per second of training steps.

    Only the time inside training steps counts: not validation, not checkpoints. XLA compiles the
    step once for every batch shape, which takes seconds. Batches of all shapes cost about the same,
    so a step that took more than 3 times the median counts as one that compiled and is left out of
    `steady_tokens_per_second`. After 512 steps the median is taken again whenever their number has
    doubled, so that readings stay cheap.

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
        self._limit, self._judged = 0.0, 0  # seconds of a steady call; the calls it was taken from
        self._all, self._steady = _Sum(), _Sum()

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
        return self._sums()[0].tokens

    @property
    def step_seconds(self) -> float:
        """Seconds spent in training steps in this session, compilation included."""
        return self._sums()[0].seconds

    @property
    def tokens_per_second(self) -> float:
        """Target tokens per second of training steps, compilation included."""
        return self._sums()[0].rate

    @property
    def steady_tokens_per_second(self) -> float | None:
        """The same without the steps that compiled; None before there are enough steps to tell."""
        return self._sums()[1].rate if len(self._calls) >= _MIN_CALLS else None

    @property
    def compile_seconds(self) -> float | None:
        """Seconds of the steps that compiled; None before there are enough steps to tell."""
        if len(self._calls) < _MIN_CALLS:
            return None
        every, steady = self._sums()
        return every.seconds - steady.seconds

    @property
    def recent_tokens_per_second(self) -> float:
        """Target tokens per second over the last steps, for a display."""
        recent = _Sum()
        recent.add(self._calls[-20:])
        return recent.rate

    def _sums(self) -> tuple["_Sum", "_Sum"]:
        """The sums of all calls, and of those that did not compile."""
        count = len(self._calls)
        if count and (count <= _MOST_FOR_EACH_READING or count >= 2 * self._judged):
            self._limit = _COMPILING_FACTOR * statistics.median(one for one, _ in self._calls)
            self._judged = count
            self._all, self._steady = _Sum(), _Sum()
        new = self._calls[self._all.calls :]
        self._all.add(new)
        self._steady.add([call for call in new if call[0] <= self._limit])
        return self._all, self._steady


@dataclasses.dataclass
class _Sum:
    """Seconds and target tokens of some calls."""

    calls: int = 0
    seconds: float = 0.0
    tokens: float = 0.0

    def add(self, calls: list[tuple[float, float]]) -> None:
        self.calls += len(calls)
        self.seconds += sum(seconds for seconds, _ in calls)
        self.tokens += sum(tokens for _, tokens in calls)

    @property
    def rate(self) -> float:
        """Tokens per second; 0 without calls."""
        return self.tokens / self.seconds if self.seconds else 0.0
