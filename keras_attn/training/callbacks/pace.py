"""How long the rest of a run takes: the time of an update and of a validation."""

import bisect
import collections
import statistics
import time
from collections.abc import Callable
from typing import Any

import keras

from keras_attn.training.callbacks.step_counter import StepCounter
from keras_attn.training.step_plan import StepPlan

_RECENT_CALLS, _RECENT_VALIDATIONS = 20, 3
# A call that takes this many times as long as a quick one has compiled.
_COMPILING_FACTOR = 3.0


class Pace(keras.callbacks.Callback):
    """Measures updates and validations by the wall clock, and predicts the time of those to come.

    - An update takes the mean of the last 20 calls of the training function. Calls that compiled
      do not count: the first one, and those more than 3 times as long as the quickest quarter.
    - A validation takes the median of the last three, from the end of the last update before it to
      the start of the next, so translations and checkpoints count. The first one compiles, and
      another may be slow by chance; the median leaves out both. Before the first one, a batch of
      validation pairs is assumed to take as long as an update.

    Args:
        steps: StepCounter. The updates so far. It must be called before this callback.
        plan: StepPlan. It knows when validations are due.
        validation_batches: int. Batches of a validation.
    """

    def __init__(self, steps: StepCounter, plan: StepPlan, validation_batches: int = 0) -> None:
        super().__init__()
        self._steps, self._plan = steps, plan
        self._validation_batches = validation_batches
        self._calls: collections.deque[float] = collections.deque(maxlen=_RECENT_CALLS)
        self._validations: collections.deque[float] = collections.deque(maxlen=_RECENT_VALIDATIONS)
        self._has_compiled = self._has_validated = False
        self._last = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Ends the time of a validation, and starts that of an update."""
        now = time.monotonic()
        if self._has_validated:
            self._validations.append(now - self._last)
        self._has_validated, self._last = False, now

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Records the time of a call."""
        now = time.monotonic()
        if self._has_compiled:
            self._calls.append(now - self._last)
        self._has_compiled, self._last = True, now

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Remembers that the time since the last update was a validation."""
        self._has_validated = True

    @property
    def is_known(self) -> bool:
        """Whether a call has been measured."""
        return bool(self._calls)

    @property
    def step_seconds(self) -> float:
        """Seconds of an update."""
        ordered = sorted(self._calls)
        limit = _COMPILING_FACTOR * ordered[(len(ordered) - 1) // 4]
        seconds = statistics.fmean(one for one in ordered if one <= limit)
        return max(seconds, 1e-9) / self._plan.steps_per_execution

    @property
    def validation_seconds(self) -> float:
        """Seconds of a validation."""
        if self._validations:
            return statistics.median_low(self._validations)
        return self._validation_batches * self.step_seconds

    def seconds_until(self, last_step: int) -> float:
        """Predicts the seconds from the end of an update to that of the run.

        Args:
            last_step: int. The last update of the run. A validation follows it.

        Returns:
            float. The time of all updates and validations to come.
        """
        return self._prediction()(last_step)

    def last_step_within(self, seconds: float) -> int:
        """The last update of the longest run that takes at most so many seconds from now.

        Args:
            seconds: float.

        Returns:
            int. At least the updates so far.
        """
        now = self._steps.step
        ends = range(now, now + 2 + max(0, int(seconds / self.step_seconds)))
        return max(now, now - 1 + bisect.bisect_right(ends, seconds, key=self._prediction()))

    def _prediction(self) -> Callable[[int], float]:
        """The function `seconds_until`, of the present readings."""
        now, of_step, of_validation = self._steps.step, self.step_seconds, self.validation_seconds

        def seconds(last_step: int) -> float:
            validations = self._plan.validations_until(last_step, now)
            return (last_step - now) * of_step + validations * of_validation

        return seconds
