"""The plan of a run: from its limits, or from the speed; and exactly resumed."""

import types

import pytest

from keras_attn.training import PlannedSchedule
from keras_attn.training.callbacks import RunPlanner, StepCounter, TimeLimit
from keras_attn.training.step_plan import StepPlan


class Clock(TimeLimit):
    """A time limit whose seconds pass by the update."""

    def __init__(self, max_minutes, steps, seconds_per_step):
        super().__init__(max_minutes)
        self._steps, self._seconds_per_step = steps, seconds_per_step

    @property
    def seconds(self):
        return 30.0 + self._seconds_per_step(self._steps.step)  # 30 of them were compilation


def run_until_planned_end(planner, steps, plan):
    planner.on_train_begin()
    while plan.last_step is None or steps.step < plan.last_step:
        steps.step += plan.steps_per_execution
        planner.on_train_batch_end(0)


def make_planner(seconds_per_step, max_minutes=10, last_step=None, per_call=1, warmup=100, step=0):
    steps, lines = StepCounter(step), []
    plan = StepPlan(50, last_step, "max_steps = 7" if last_step else "", per_call)
    schedule = PlannedSchedule(0.01, warmup)
    clock = Clock(max_minutes, steps, seconds_per_step) if max_minutes else None
    throughput = types.SimpleNamespace(compile_seconds=30.0)
    planner = RunPlanner(schedule, plan, steps, throughput, 0.25, clock, show=lines.append)
    return planner, steps, plan, schedule, lines


def test_a_number_of_updates_makes_the_plan_at_once():
    planner, _, plan, schedule, lines = make_planner(None, max_minutes=None, last_step=1000)
    planner.on_train_begin()
    assert (schedule.decay_start, schedule.last_step, plan.last_step) == (750, 1000, 1000)
    assert lines == []


def test_the_clock_makes_the_plan_from_the_speed():
    planner, steps, plan, schedule, lines = make_planner(lambda step: 0.5 * step)
    run_until_planned_end(planner, steps, plan)
    # 98% of 600 s, less 30 s of compilation, at 0.5 s an update
    assert plan.last_step == pytest.approx((0.98 * 600 - 30) / 0.5, abs=2)
    assert schedule.last_step == plan.last_step and plan.limit == "max_minutes = 10"
    assert schedule.decay_start == pytest.approx(0.75 * plan.last_step, abs=20)
    assert lines == [
        "plan: about 1,116 updates in at most 10 minutes; the rate rises for 100 and falls to zero "
        "over the last 25%"
    ]


def test_a_machine_that_becomes_slower_still_reaches_the_end_of_the_plan():
    planner, steps, plan, schedule, _ = make_planner(
        lambda step: 0.4 * step + 0.6 * max(0, step - 300)
    )
    run_until_planned_end(planner, steps, plan)
    assert schedule.last_step == plan.last_step
    assert planner._time_limit.seconds < 600


def test_updates_end_a_run_on_a_fast_machine():
    planner, steps, plan, schedule, _ = make_planner(lambda step: 0.01 * step, last_step=1000)
    run_until_planned_end(planner, steps, plan)
    assert (plan.last_step, schedule.last_step, plan.limit) == (1000, 1000, "max_steps = 7")
    assert 750 <= schedule.decay_start <= 770


def test_a_long_warmup_is_shortened_to_a_quarter():
    planner, steps, plan, schedule, _ = make_planner(lambda step: 0.5 * step, warmup=4000)
    run_until_planned_end(planner, steps, plan)
    assert schedule.warmup_steps == pytest.approx(0.25 * 1116, abs=2)


def test_the_plan_is_whole_calls():
    planner, steps, plan, schedule, _ = make_planner(lambda step: 0.5 * step, per_call=32)
    run_until_planned_end(planner, steps, plan)
    assert plan.last_step % 32 == 0 and schedule.last_step == plan.last_step


def test_a_resumed_run_keeps_the_plan_of_its_checkpoint_and_a_finished_one_makes_a_new_one():
    planner, _, plan, schedule, _ = make_planner(lambda step: 99.0 * step, step=800)
    schedule.set_plan(decay_start=750, last_step=1000)
    planner.on_train_begin()
    assert (schedule.decay_start, plan.last_step) == (750, 1000)

    planner, _, plan, schedule, _ = make_planner(lambda step: 0.1 * (step - 1000), step=1000)
    schedule.set_plan(decay_start=750, last_step=1000)
    planner.on_train_begin()
    assert schedule.last_step is None and plan.last_step is None


@pytest.mark.parametrize(
    ("max_steps", "last_step", "limit"),
    [
        (None, 1000, "max_minutes = 10"),
        (2000, 1000, "max_minutes = 10"),
        (1000, 1000, "max_steps = 7"),
        (900, 900, "max_steps = 7"),
        (700, 700, "max_steps = 7"),  # before the fall of the plan
    ],
)
def test_a_run_resumed_in_its_decay_names_its_limit_and_keeps_to_the_lower_one(
    max_steps, last_step, limit
):
    planner, _, plan, schedule, _ = make_planner(lambda step: step, step=800, last_step=max_steps)
    schedule.set_plan(decay_start=750, last_step=1000)
    planner.on_train_begin()
    assert (plan.last_step, schedule.last_step, plan.limit) == (last_step, last_step, limit)
