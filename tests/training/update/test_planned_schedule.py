"""The planned schedule against its formulas, and its plan."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attn.training import PlannedSchedule, TransformerSchedule


def expected_rate(t, peak, warmup, middle, decay, start, last):
    """The docstring's formulas, in float64."""
    rate = peak * min(t / warmup, math.sqrt(warmup / t) if middle == "inverse_sqrt" else 1.0)
    p = min(max((t - start) / (last + 1 - start), 0.0), 1.0)
    return (
        rate * {"none": 1.0, "linear": 1.0 - p, "cosine": (1.0 + math.cos(math.pi * p)) / 2}[decay]
    )


@pytest.mark.parametrize("middle", ["inverse_sqrt", "constant"])
@pytest.mark.parametrize("decay", ["none", "linear", "cosine"])
def test_every_shape_follows_its_formula(middle, decay):
    schedule = PlannedSchedule(0.003, 17, middle, decay, decay_start=60, last_step=95)
    rates = [float(schedule(step)) for step in range(100)]
    expected = [expected_rate(t, 0.003, 17, middle, decay, 60, 95) for t in range(1, 101)]
    np.testing.assert_allclose(rates, expected, rtol=2e-6, atol=1e-10)


def test_the_last_update_still_has_a_rate_and_the_one_after_it_has_none():
    schedule = PlannedSchedule(0.01, 5, decay_start=10, last_step=20)
    assert float(schedule(19)) > 0.0 and float(schedule(20)) == 0.0


def test_without_an_end_it_is_the_papers_schedule():
    ours, papers = PlannedSchedule(0.002, 300), TransformerSchedule.from_peak(0.002, 300)
    steps = [0, 7, 298, 299, 300, 5_000, 400_000]
    np.testing.assert_allclose(
        [float(ours(step)) for step in steps], [float(papers(step)) for step in steps], rtol=1e-6
    )


def test_a_new_plan_counts_in_a_compiled_function():
    schedule = PlannedSchedule(0.5, 10, "constant")
    rate = tf.function(lambda step: schedule(step), jit_compile=True)
    assert float(rate(tf.constant(99))) == 0.5
    schedule.set_plan(decay_start=50, last_step=149)
    assert float(rate(tf.constant(99))) == pytest.approx(0.25)
    schedule.set_plan(warmup_steps=400)
    assert float(rate(tf.constant(99))) == pytest.approx(0.125)
    assert (schedule.warmup_steps, schedule.decay_start, schedule.last_step) == (400, None, None)


def test_the_configuration_and_the_plan_come_back():
    schedule = PlannedSchedule(0.002, 30, "constant", "cosine", 100, 200, name="mine")
    config = keras.saving.serialize_keras_object(schedule)
    again = keras.saving.deserialize_keras_object(config)
    assert again.get_config() == schedule.get_config()
    again.plan = PlannedSchedule(0.002, 40).plan
    assert (again.warmup_steps, again.last_step) == (40, None)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"peak_learning_rate": 0.0}, "`peak_learning_rate` must be greater than zero"),
        ({"warmup_steps": 0}, "`warmup_steps` must be greater than zero"),
        ({"middle": "flat"}, "`middle` must be one of inverse_sqrt, constant"),
        ({"decay": "fast"}, "`decay` must be one of none, linear, cosine"),
        ({"decay_start": 5}, "must be given together"),
        ({"decay_start": 9, "last_step": 8}, "the first at most the second"),
    ],
)
def test_bad_arguments_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        PlannedSchedule(**{"peak_learning_rate": 0.1, **arguments})
