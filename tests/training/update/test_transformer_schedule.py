"""The learning rate schedule is the paper's Equation 3."""

import keras
import numpy as np
import pytest

from keras_attn.training.update.transformer_schedule import TransformerSchedule


def test_the_peak_of_the_base_model_is_the_papers():
    schedule = TransformerSchedule(hidden_dim=512, warmup_steps=4000)
    expected = 512**-0.5 * 4000**-0.5
    assert schedule.peak_learning_rate == pytest.approx(expected, rel=1e-12)
    assert float(schedule(3999)) == pytest.approx(expected, rel=1e-6)  # Keras counts from 0
    rates = [float(schedule(step)) for step in range(3900, 4100)]
    assert int(np.argmax(rates)) + 3900 == 3999


@pytest.mark.parametrize("update", [1, 2, 9, 10, 11, 40, 1000])
def test_every_update_follows_equation_3_with_steps_counted_from_one(update):
    schedule = TransformerSchedule(hidden_dim=37, warmup_steps=10, scale=1.7)
    expected = 1.7 * 37**-0.5 * min(update**-0.5, update * 10**-1.5)
    assert float(schedule(update - 1)) == pytest.approx(expected, rel=1e-6)


def test_an_optimizer_uses_the_first_updates_rate_first():
    schedule = TransformerSchedule(hidden_dim=64, warmup_steps=100)
    optimizer = keras.optimizers.SGD(schedule)
    variable = keras.Variable([0.0])
    optimizer.apply_gradients([(keras.ops.ones((1,)), variable)])
    assert float(variable[0]) == pytest.approx(-(64**-0.5) * 100**-1.5, rel=1e-6)


def test_the_peak_may_be_given_instead_of_the_width():
    schedule = TransformerSchedule.from_peak(0.002, warmup_steps=300)
    assert schedule.peak_learning_rate == pytest.approx(0.002)
    assert float(schedule(299)) == pytest.approx(0.002, rel=1e-6)
    assert float(schedule(1199)) == pytest.approx(0.001, rel=1e-6)


def test_the_configuration_round_trips_through_keras():
    schedule = TransformerSchedule(hidden_dim=37, warmup_steps=10, scale=1.7, name="mine")
    serialize = keras.optimizers.schedules.serialize
    again = keras.optimizers.schedules.deserialize(serialize(schedule))
    assert again.get_config() == schedule.get_config()
    assert float(again(5)) == float(schedule(5))


@pytest.mark.parametrize("arguments", [{"hidden_dim": 0}, {"hidden_dim": 8, "warmup_steps": 0}])
def test_sizes_below_one_are_refused_by_name(arguments):
    with pytest.raises(ValueError, match=f"`{list(arguments)[-1]}`.*Received"):
        TransformerSchedule(**arguments)
