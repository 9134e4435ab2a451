"""Plans the end of a run: when the learning rate starts to fall, and which update is the last."""

from collections.abc import Callable
from typing import Any

import keras

from keras_attn.training.callbacks.step_counter import StepCounter
from keras_attn.training.callbacks.throughput import Throughput
from keras_attn.training.callbacks.time_limit import TimeLimit
from keras_attn.training.replicas.workers import Workers
from keras_attn.training.step_plan import StepPlan
from keras_attn.training.update.planned_schedule import PlannedSchedule

_STEPS_TO_MEASURE = 20
_LARGEST_WARMUP_SHARE = 0.25
# If the machine slows down after planning, the last updates are left out: their rate is low.
_USED_SHARE_OF_TIME = 0.98


class RunPlanner(keras.callbacks.Callback):
    """Tells a `PlannedSchedule` when the rate falls, so that it reaches zero at the end of the run.

    Without a time limit the plan follows from the recipe. With one, it follows from the speed:

    1. After 20 updates, it shows about how many updates there will be, and shortens a warm-up that
       would take more than a quarter of them.
    2. When all but `decay_share` of the updates are made, it fixes the last update. The rate falls
       from there on. A checkpoint contains the plan, so a resumed run has the same end.

    Args:
        schedule: PlannedSchedule. The schedule of the optimizer.
        plan: StepPlan. Its `last_step` is set.
        steps: StepCounter. The updates so far.
        throughput: Throughput. It knows how long compilation took.
        decay_share: float. The share of the updates in which the rate falls.
        time_limit: TimeLimit or None. The clock.
        workers: Workers or None. The workers that train together; the chief's clock decides.
        show: function of one line, or None. Where to show the plan.
    """

    def __init__(
        self,
        schedule: PlannedSchedule,
        plan: StepPlan,
        steps: StepCounter,
        throughput: Throughput,
        decay_share: float,
        time_limit: TimeLimit | None = None,
        workers: Workers | None = None,
        show: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__()
        self._schedule, self._plan = schedule, plan
        self._steps, self._throughput = steps, throughput
        self._decay_share = decay_share if schedule.decay != "none" else 0.0
        self._time_limit = time_limit
        self._workers = workers or Workers()
        self._show = show or (lambda line: None)
        self._first_step = steps.step
        self._readings: list[tuple[int, float]] = [(0, 0.0)]  # updates, seconds
        self._expected_end: int | None = None
        self._has_shown = self._is_fixed = False

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Makes the plan if it does not depend on the clock, or takes that of the checkpoint."""
        if self._is_fixed:
            return
        last_step, schedule = self._plan.last_step, self._schedule
        if self._time_limit is None:
            if last_step is not None:
                self._fix(int((1.0 - self._decay_share) * last_step), last_step)
        elif schedule.last_step is not None and (
            schedule.last_step > self._steps.step or last_step == self._steps.step
        ):
            planned = (
                schedule.last_step if last_step is None else min(last_step, schedule.last_step)
            )
            self._name_limit(planned, self._time_limit.max_minutes)
            self._fix(min(schedule.decay_start or 0, planned), planned)
        else:  # a run that continues after its planned end
            schedule.set_plan()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Fixes the plan when the rate must start to fall."""
        if self._is_fixed or self._time_limit is None:
            return
        done = self._steps.step - self._first_step
        if done >= _STEPS_TO_MEASURE * len(self._readings):
            estimate = self._workers.from_chief(self._steps_in_time(self._time_limit, done))
            self._expected_end = self._plan.whole_calls(int(estimate))
        if self._expected_end is not None:
            self._fix_if_due(self._expected_end, self._time_limit.max_minutes)

    def _fix_if_due(self, expected_end: int, max_minutes: float) -> None:
        limit = self._plan.last_step
        last_step = expected_end if limit is None else min(limit, expected_end)
        if not self._has_shown:
            self._shorten_warmup(last_step)
            self._show(self._describe(last_step, max_minutes))
            self._has_shown = True
        if self._decay_share and self._steps.step >= (1.0 - self._decay_share) * last_step:
            self._name_limit(last_step, max_minutes)
            self._fix(self._steps.step, last_step)

    def _name_limit(self, last_step: int, max_minutes: float) -> None:
        """Names the clock as what ends the run, if it does so before the recipe's updates do."""
        if self._plan.last_step is None or last_step < self._plan.last_step:
            self._plan.limit = f"max_minutes = {max_minutes:g}"

    def _steps_in_time(self, time_limit: TimeLimit, done: int) -> float:
        """The number of the last update that fits into the time, at the speed of the last half."""
        seconds = time_limit.seconds - (self._throughput.compile_seconds or 0.0)
        self._readings.append((done, seconds))
        done_before, seconds_before = self._readings[(len(self._readings) - 1) // 2]
        seconds_per_step = (seconds - seconds_before) / (done - done_before)
        left = _USED_SHARE_OF_TIME * time_limit.max_seconds - time_limit.seconds
        return self._steps.step + max(left, 0.0) / max(seconds_per_step, 1e-9)

    def _fix(self, decay_start: int, last_step: int) -> None:
        self._is_fixed = True
        self._plan.last_step = last_step
        if self._decay_share:
            self._schedule.set_plan(decay_start=decay_start, last_step=last_step)

    def _shorten_warmup(self, last_step: int) -> None:
        longest = max(1, int(_LARGEST_WARMUP_SHARE * last_step))
        if self._schedule.warmup_steps > longest:
            self._schedule.set_plan(warmup_steps=longest)

    def _describe(self, last_step: int, max_minutes: float) -> str:
        line = f"plan: about {last_step:,} updates in at most {max_minutes:g} minutes"
        line += f"; the rate rises for {self._schedule.warmup_steps:,}"
        if self._decay_share:
            line += f" and falls to zero over the last {self._decay_share:.0%}"
        return line
