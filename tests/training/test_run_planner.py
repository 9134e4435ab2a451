"""The plan of a run: from its limits, or from the speed; and exactly resumed."""

import itertools
import time

import pytest

from keras_attn.training import PlannedSchedule
from keras_attn.training.callbacks import Pace, RunPlanner, StepCounter, TimeLimit
from keras_attn.training.step_plan import StepPlan


class Machine:
    """Runs the callbacks of a session as Keras does, by a clock that only its work moves on.

    An update takes `step(number)` seconds, and a validation `validation(number)`; the first call
    of the training function takes 30 seconds more, because it compiles.
    """

    def __init__(
        self, monkeypatch, step, validation=lambda number: 0.0, *, minutes=10.0, last_step=None,
        every=50, per_call=1, warmup=100, begin=0, compile_seconds=30.0, limits="",
        validation_batches=0,
    ):  # fmt: skip
        self.now, self._step, self._validation = 1000.0, step, validation
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        self.compile_seconds, self.stop_training, self.lines = compile_seconds, False, []
        self.steps = StepCounter(begin)
        self.plan = StepPlan(
            every, last_step, "max_steps = 7" if last_step else "", per_call, limits
        )
        self.schedule = PlannedSchedule(0.01, warmup, "constant")
        self.pace = Pace(self.steps, self.plan, validation_batches)
        self.clock = TimeLimit(minutes) if minutes else None
        self.planner = RunPlanner(
            self.schedule, self.plan, self.steps, self.pace, 0.25, self.clock,
            show=self.lines.append,
        )  # fmt: skip
        self.callbacks = [self.steps, self.pace, *([self.clock] if minutes else []), self.planner]
        for one in self.callbacks:
            one.set_model(self)
        self.plans, self.warmups = [], []  # of each update; and after each call

    def call(self, moment, *arguments):
        for one in self.callbacks:
            getattr(one, moment)(*arguments)

    def run(self):
        """Trains until the planned end or the clock."""
        self.call("on_train_begin")
        per_call, every, validations = (
            self.plan.steps_per_execution,
            self.plan.validate_every_steps,
            0,
        )
        while not (self.stop_training or self.is_at_end):
            self.call("on_epoch_begin", 0)
            for batch in range(per_call - 1, every, per_call):
                plan = tuple(self.schedule.plan)
                for number in range(self.steps.step, self.steps.step + per_call):
                    self.plans.append((number, plan))
                    self.now += self._step(number)
                self.now, self.compile_seconds = self.now + self.compile_seconds, 0.0
                self.call("on_train_batch_end", batch)
                self.warmups.append(plan[0])
                if self.stop_training or self.is_at_end:
                    break
            self.now += self._validation(validations)
            validations += 1
            self.call("on_epoch_end", 0)
        return self

    @property
    def is_at_end(self):
        return self.plan.last_step is not None and self.steps.step >= self.plan.last_step

    @property
    def rates(self):
        """The rate of every update, by the plan that held then."""
        last, rates = self.schedule.plan, []
        for plan, group in itertools.groupby(self.plans, key=lambda pair: pair[1]):
            self.schedule.plan = plan
            rates += self.schedule([number for number, _ in group]).numpy().tolist()
        self.schedule.plan = last
        return rates

    def assert_rate_falls_to_zero(self):
        assert self.schedule.last_step == self.plan.last_step == self.steps.step
        rates = self.rates
        peak = rates.index(max(rates))
        assert all(later <= rate for rate, later in itertools.pairwise(rates[peak:]))
        assert rates[-1] < 0.05 * max(rates)  # it is zero after the last update


def steady(seconds):
    return lambda number: seconds


def test_a_number_of_updates_makes_the_plan_at_once(monkeypatch):
    machine = Machine(monkeypatch, steady(0.5), minutes=None, last_step=1000)
    machine.call("on_train_begin")
    schedule = machine.schedule
    assert (schedule.decay_start, schedule.last_step, machine.plan.last_step) == (750, 1000, 1000)
    assert machine.lines == []


def test_the_clock_makes_the_plan_from_the_speed(monkeypatch):
    machine = Machine(monkeypatch, steady(0.5)).run()
    machine.assert_rate_falls_to_zero()
    # 600 s, less 30 s of compilation and 4% of the time that is left, at 0.5 s an update.
    updates = machine.schedule.decay_start
    assert machine.plan.last_step == pytest.approx(
        updates + 0.96 * (570 - 0.5 * updates) / 0.5, abs=2
    )
    assert machine.schedule.decay_start == pytest.approx(0.75 * machine.plan.last_step, abs=20)
    assert machine.plan.limit == "max_minutes = 10"
    after_20 = 20 + int(0.96 * (570 - 0.5 * 20) / 0.5)
    assert machine.lines == [
        f"plan: about {after_20:,} updates in at most 10 minutes; the rate rises for 100 and falls "
        "to zero over the last 25%"
    ]


def test_the_validations_to_come_and_the_last_one_fit_into_the_time(monkeypatch):
    machine = Machine(monkeypatch, steady(0.5), steady(11.0), validation_batches=8).run()
    machine.assert_rate_falls_to_zero()
    assert 0.95 * 600 < machine.clock.seconds <= 600


def test_a_validation_is_guessed_before_the_first_one(monkeypatch):
    machine = Machine(
        monkeypatch, steady(0.5), steady(50.0), every=5000, validation_batches=80, compile_seconds=0
    ).run()
    machine.assert_rate_falls_to_zero()
    assert machine.plan.last_step == pytest.approx((600 - 80 * 0.5) / 0.5, rel=0.04)


def test_one_slow_validation_costs_its_own_time_only(monkeypatch):
    """A demo's last validation but one took 27 s in place of 11, and the clock cut its plan."""
    for slow in (0, 3, 12):
        machine = Machine(
            monkeypatch, steady(0.5), lambda number, slow=slow: 27.0 if number == slow else 11.0
        ).run()
        machine.assert_rate_falls_to_zero()
        assert 0.94 * 600 < machine.clock.seconds <= 600


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7, 0.8, 0.9, 0.97])
@pytest.mark.parametrize("per_call", [1, 10])
def test_a_machine_that_slows_down_by_half_still_reaches_the_end_of_the_plan(
    monkeypatch, share, per_call
):
    machine = None

    def factor():
        return 2.0 if machine.now - 1000.0 > share * 600 else 1.0

    machine = Machine(
        monkeypatch, lambda number: 0.4 * factor(), lambda number: 8.0 * factor(),
        per_call=per_call,
    )  # fmt: skip
    machine.run()
    machine.assert_rate_falls_to_zero()
    assert 0.93 * 600 < machine.clock.seconds < 600 + 16 + 0.8 * per_call


def test_a_plan_of_many_short_noisy_updates_uses_the_time(monkeypatch):
    machine = Machine(
        monkeypatch, lambda number: 0.3 + 0.2 * (number * 7919 % 101) / 101, steady(4.0)
    ).run()
    machine.assert_rate_falls_to_zero()
    assert machine.clock.seconds > 0.95 * 600


def test_updates_end_a_run_on_a_fast_machine(monkeypatch):
    machine = Machine(monkeypatch, steady(0.01), last_step=1000).run()
    machine.assert_rate_falls_to_zero()
    assert (machine.plan.last_step, machine.plan.limit) == (1000, "max_steps = 7")
    assert 750 <= machine.schedule.decay_start <= 770


def test_a_long_warmup_is_shortened_to_a_quarter(monkeypatch):
    machine = Machine(monkeypatch, steady(0.5), warmup=4000).run()
    assert machine.schedule.warmup_steps == pytest.approx(0.25 * machine.plan.last_step, abs=12)
    assert machine.rates[machine.schedule.warmup_steps - 1] == pytest.approx(0.01)


def test_compilation_shortens_no_warmup_however_many_updates_a_call_makes(monkeypatch):
    machine = Machine(
        monkeypatch, steady(0.05), every=100, per_call=50, warmup=1000, compile_seconds=60.0
    ).run()
    assert machine.plan.last_step > 10_000
    assert machine.schedule.warmup_steps == 1000


def test_a_shortened_warmup_comes_back_when_the_machine_is_faster_than_it_seemed(monkeypatch):
    slow_at_first = Machine(
        monkeypatch, lambda number: 2.5 if number < 60 else 0.1, warmup=400
    ).run()
    assert min(slow_at_first.warmups) < 100
    assert slow_at_first.schedule.warmup_steps == 400
    assert max(slow_at_first.rates) == pytest.approx(0.01)


def test_the_plan_is_whole_calls(monkeypatch):
    machine = Machine(monkeypatch, steady(0.5), every=64, per_call=32).run()
    machine.assert_rate_falls_to_zero()
    assert machine.plan.last_step % 32 == 0


def test_a_resumed_run_keeps_the_plan_of_its_checkpoint_and_a_finished_one_makes_a_new_one(
    monkeypatch,
):
    machine = Machine(monkeypatch, steady(1.0), begin=800)
    machine.schedule.set_plan(decay_start=750, last_step=1000)
    machine.call("on_train_begin")
    assert (machine.schedule.decay_start, machine.plan.last_step) == (750, 1000)

    machine = Machine(monkeypatch, steady(0.1), begin=1000)
    machine.schedule.set_plan(decay_start=750, last_step=1000)
    machine.call("on_train_begin")
    assert machine.schedule.last_step is None and machine.plan.last_step is None


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
    monkeypatch, max_steps, last_step, limit
):
    machine = Machine(monkeypatch, steady(1.0), begin=800, last_step=max_steps)
    machine.schedule.set_plan(decay_start=750, last_step=1000)
    machine.call("on_train_begin")
    plan, schedule = machine.plan, machine.schedule
    assert (plan.last_step, schedule.last_step, plan.limit) == (last_step, last_step, limit)


@pytest.mark.parametrize(
    ("planned_for", "max_steps", "last_step"),
    [
        ("10 minutes", None, 1000),  # as before
        ("5 minutes", None, None),
        ("5 minutes", 2000, 2000),
        ("5 minutes", 900, 900),  # the fall that has begun ends earlier
    ],
)
def test_a_run_that_is_resumed_with_other_limits_is_not_bound_by_its_old_plan(
    monkeypatch, planned_for, max_steps, last_step
):
    machine = Machine(monkeypatch, steady(0.5), begin=800, last_step=max_steps, limits="10 minutes")
    machine.schedule.set_plan(decay_start=750, last_step=1000)
    machine.schedule.planned_for = planned_for
    machine.call("on_train_begin")
    assert machine.plan.last_step == last_step
    assert machine.schedule.last_step == (last_step if last_step in (900, 1000) else None)
    machine.run()
    machine.assert_rate_falls_to_zero()
    assert machine.schedule.planned_for == "10 minutes"
    expected = last_step or 800 + 570 / 0.5
    assert machine.steps.step == pytest.approx(expected, abs=0 if last_step in (900, 1000) else 900)
