"""Plans the end of a run: when the learning rate starts to fall, and which update is the last."""

from collections.abc import Callable
from typing import Any

import keras

from keras_attn.training.callbacks.pace import Pace
from keras_attn.training.callbacks.step_counter import StepCounter
from keras_attn.training.callbacks.time_limit import TimeLimit
from keras_attn.training.replicas.workers import Workers
from keras_attn.training.step_plan import StepPlan
from keras_attn.training.update.planned_schedule import PlannedSchedule

_STEPS_TO_MEASURE = 20
_LARGEST_WARMUP_SHARE = 0.25
# A plan leaves some of the time that is left, in case the machine slows down.
_USED_SHARE_OF_TIME = 0.96


class RunPlanner(keras.callbacks.Callback):
    """Tells a `PlannedSchedule` when the rate falls, so that it reaches zero at the end of the run.

    Without a time limit the plan follows from the recipe. With one, it follows from the time of the
    updates and validations to come, which `Pace` predicts:

    1. After 20 updates, it shows about how many updates there will be. As long as the rate rises,
       the warm-up takes at most a quarter of them.
    2. When all but `decay_share` of the updates are made, it fixes the last update. The rate falls
       from there on. A checkpoint contains the plan, so a resumed run has the same end.
    3. If the machine slows down later, so that this plan does not fit into the time, the end comes
       earlier and the rate falls faster. It is never planned later again.

    A run that is resumed with other limits makes a new plan, unless its updates end before the old
    one does.

    Args:
        schedule: PlannedSchedule. The schedule of the optimizer.
        plan: StepPlan. Its `last_step` is set.
        steps: StepCounter. The updates so far.
        pace: Pace. It predicts the time. It must be called before this callback.
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
        pace: Pace,
        decay_share: float,
        time_limit: TimeLimit | None = None,
        workers: Workers | None = None,
        show: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__()
        self._schedule, self._plan = schedule, plan
        self._steps, self._pace = steps, pace
        self._decay_share = decay_share if schedule.decay != "none" else 0.0
        self._time_limit = time_limit
        self._workers = workers or Workers()
        self._show = show or (lambda line: None)
        self._first_step = steps.step
        self._has_shown = self._is_fixed = False

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Makes the plan if it does not depend on the clock, or takes that of the checkpoint."""
        if self._is_fixed:
            return
        last_step, schedule = self._plan.last_step, self._schedule
        if self._time_limit is None:
            if last_step is not None:
                self._fix(int((1.0 - self._decay_share) * last_step), last_step)
        elif self._has_plan_to_keep():
            planned = schedule.last_step or 0
            planned = planned if last_step is None else min(last_step, planned)
            self._name_limit(planned, self._time_limit.max_minutes)
            self._fix(min(schedule.decay_start or 0, planned), planned)
        else:  # no plan yet, or a run that continues after its planned end
            schedule.set_plan()

    def _has_plan_to_keep(self) -> bool:
        """Whether the plan of the checkpoint has an end to come, and is of these limits."""
        planned, last_step = self._schedule.last_step, self._plan.last_step
        if planned is None:
            return False
        if last_step == self._steps.step:  # nothing is left to train
            return True
        is_of_these_limits = self._schedule.planned_for in ("", self._plan.limits)
        is_shorter_now = last_step is not None and last_step < planned
        return planned > self._steps.step and (is_of_these_limits or is_shorter_now)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Fixes the plan when the rate must start to fall; ends it earlier if time gets short."""
        done = self._steps.step - self._first_step
        if self._time_limit is None or done < _STEPS_TO_MEASURE or not self._pace.is_known:
            return
        minutes = self._time_limit.max_minutes
        last_step = int(self._workers.from_chief(self._find_end(self._time_limit)))
        if not self._is_fixed:
            self._limit_warmup(last_step)
            self._show_once(last_step, minutes)
            if self._decay_share and self._steps.step >= (1.0 - self._decay_share) * last_step:
                self._name_limit(last_step, minutes)
                self._fix(self._steps.step, last_step)
        elif self._plan.last_step is not None and last_step < self._plan.last_step:
            self._name_limit(last_step, minutes)
            self._schedule.end_earlier(self._steps.step, last_step)
            self._plan.last_step = last_step

    def _find_end(self, time_limit: TimeLimit) -> int:
        """The last update: that of the plan, or of the recipe, if there is time for it."""
        step, planned = self._steps.step, self._plan.last_step
        if planned is not None and planned <= step:
            return planned
        left = time_limit.max_seconds - time_limit.seconds
        if planned is not None and self._pace.seconds_until(planned) <= left:
            return planned
        per_call = self._plan.steps_per_execution
        within = self._pace.last_step_within(_USED_SHARE_OF_TIME * left) // per_call * per_call
        end = max(within, step + per_call)
        return end if planned is None else min(end, planned)

    def _name_limit(self, last_step: int, max_minutes: float) -> None:
        """Names the clock as what ends the run, if it does so before the recipe's updates do."""
        if self._plan.last_step is None or last_step < self._plan.last_step:
            self._plan.limit = f"max_minutes = {max_minutes:g}"

    def _fix(self, decay_start: int, last_step: int) -> None:
        self._is_fixed = True
        self._plan.last_step = last_step
        if self._decay_share:
            self._schedule.set_plan(decay_start=decay_start, last_step=last_step)
            self._schedule.planned_for = self._plan.limits

    def _limit_warmup(self, last_step: int) -> None:
        """Shortens a long warm-up, or makes it longer again, while the rate rises."""
        longest = max(1, int(_LARGEST_WARMUP_SHARE * last_step))
        warmup_steps = min(self._schedule.first_warmup_steps, longest)
        if warmup_steps != self._schedule.warmup_steps and self._steps.step < warmup_steps:
            self._schedule.set_plan(warmup_steps=warmup_steps)

    def _show_once(self, last_step: int, max_minutes: float) -> None:
        if self._has_shown:
            return
        self._has_shown = True
        line = f"plan: about {last_step:,} updates in at most {max_minutes:g} minutes"
        line += f"; the rate rises for {self._schedule.warmup_steps:,}"
        if self._decay_share:
            line += f" and falls to zero over the last {self._decay_share:.0%}"
        self._show(line)
