"""GuardedAdam is Keras' Adam, except where a gradient is no number, and with averages beside it."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attn.training.update.guarded_adam import GuardedAdam

SHAPES = ((3, 5), (7,), (2, 4, 3))


def weights() -> list[keras.Variable]:
    random = np.random.default_rng(3)
    return [keras.Variable(random.normal(size=shape).astype("float32")) for shape in SHAPES]


def gradients(steps: int) -> list[list[tf.Tensor]]:
    random = np.random.default_rng(4)
    return [
        [tf.constant(random.normal(size=shape), tf.float32) for shape in SHAPES]
        for _ in range(steps)
    ]


def values(variables) -> list[np.ndarray]:
    return [variable.numpy() for variable in variables]


def apply_to(optimizer, variables, grads) -> None:
    optimizer.apply(grads, variables)


def assert_equal(ours, theirs) -> None:
    for left, right in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("clip", [None, 0.7])
def test_with_finite_gradients_it_is_keras_adam(jit_compile, clip):
    ours, theirs = weights(), weights()
    options = {"beta_2": 0.98, "epsilon": 1e-9, "global_clipnorm": clip}
    pairs = [(GuardedAdam(0.01, **options), ours), (keras.optimizers.Adam(0.01, **options), theirs)]
    for optimizer, variables in pairs:
        optimizer.build(variables)
        apply = tf.function(
            functools.partial(apply_to, optimizer, variables), jit_compile=jit_compile
        )
        for step in gradients(4):
            apply(step)
    for left, right in zip(values(ours), values(theirs), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-6, atol=1e-7)
    assert int(pairs[0][0].iterations) == int(pairs[1][0].iterations) == 4


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_bad_number_withholds_the_whole_update_and_those_after_it(bad):
    variables = weights()
    optimizer = GuardedAdam(0.01, ema_decay=0.9, withhold_later_updates=True)
    first, second, third = gradients(3)
    optimizer.apply(first, variables)
    before = values(variables), values(optimizer.variables)
    spoiled = second[2].numpy()
    spoiled[1, 2, 0] = bad
    optimizer.apply([second[0], second[1], tf.constant(spoiled)], variables)
    assert int(optimizer.withheld_updates) == 1
    optimizer.apply(third, variables)
    assert int(optimizer.withheld_updates) == 2
    optimizer.withheld_updates.assign(0)
    assert_equal(values(variables), before[0])
    assert_equal(values(optimizer.variables), before[1])
    optimizer.apply(second, variables)  # and then it goes on as if nothing had been
    other, same = weights(), GuardedAdam(0.01)
    for step in (first, second):
        same.apply(step, other)
    assert_equal(values(variables), values(other))


def test_the_averages_are_those_of_the_formula():
    variables, decay = weights(), 0.6
    optimizer = GuardedAdam(0.1, ema_decay=decay)
    expected = [np.zeros(shape) for shape in SHAPES]
    for made_before, step in enumerate(gradients(12)):
        optimizer.apply(step, variables)
        kept = min(decay, made_before / (made_before + 9))
        expected = [
            kept * average + (1 - kept) * weight.astype("float64")
            for average, weight in zip(expected, values(variables), strict=True)
        ]
    raw = values(variables)
    optimizer.swap_averages()
    for left, right in zip(values(variables), expected, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-6)
    optimizer.swap_averages()
    assert_equal(values(variables), raw)
    with pytest.raises(ValueError, match="`ema_decay` must be set"):
        GuardedAdam().swap_averages()


def test_a_weight_without_an_update_is_its_own_average():
    variables = weights()
    optimizer = GuardedAdam(0.1, ema_decay=0.6)
    optimizer.build(variables)
    before = values(variables)
    optimizer.swap_averages()  # before the first update
    assert_equal(values(variables), before)
    optimizer.swap_averages()
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        optimizer.apply([gradients(1)[0][0], None, None], variables)
    after = values(variables)
    optimizer.swap_averages()
    assert_equal(values(variables)[1:], before[1:])
    np.testing.assert_allclose(values(variables)[0], after[0], rtol=1e-6)  # the first decay is 0


def test_averages_under_a_strategy_start_at_the_weights():
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        variables = weights()
        optimizer = GuardedAdam(0.1, ema_decay=0.6)
        optimizer.build(variables)
    assert_equal(values(optimizer._averages), values(variables))


def test_the_scale_of_the_loss_follows_what_the_gradients_bear():
    variables, plain = weights(), weights()
    optimizer, reference = GuardedAdam(0.01, scales_loss=True), GuardedAdam(0.01)
    optimizer.build(variables)
    assert float(optimizer.scale_loss(tf.constant(1.0))) == 2.0**15
    first, second = gradients(2)
    infinite = [tf.fill(each.shape, np.inf) for each in first]
    optimizer.apply(infinite, variables)
    optimizer.apply(infinite, variables)
    scale = float(optimizer.scale_loss(tf.constant(1.0)))
    assert scale == 2.0**13 and int(optimizer.withheld_updates) == 2
    for step in (first, second):  # they were scaled, as the loss was
        optimizer.apply([each * scale for each in step], variables)
        reference.apply(step, plain)
    for left, right in zip(values(variables), values(plain), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-6, atol=1e-7)
    optimizer._good_updates.assign(1999)
    optimizer.apply(first, variables)
    assert float(optimizer.scale_loss(tf.constant(1.0))) == 2.0**14


def test_it_comes_back_from_its_config_and_its_file(tmp_path):
    optimizer = GuardedAdam(0.02, ema_decay=0.99, scales_loss=True, global_clipnorm=1.5)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizer))
    assert again.get_config() == optimizer.get_config()
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(3)(inputs))
    model.compile(GuardedAdam(0.02, ema_decay=0.5), loss="mse")
    model.fit(np.ones((8, 4)), np.ones((8, 3)), batch_size=4, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert_equal(values(loaded.optimizer.variables), values(model.optimizer.variables))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ema_decay": 1.0}, "`ema_decay` must be at least 0 and less than 1"),
        ({"use_ema": True}, "`use_ema` must be left out"),
        ({"weight_decay": 0.1}, "`weight_decay` must be left out"),
        ({"gradient_accumulation_steps": 2}, "`gradient_accumulation_steps` must be left out"),
    ],
)
def test_what_it_cannot_guard_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        GuardedAdam(0.1, **options)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_plain_fit_leaves_out_the_bad_batch_makes_the_others_and_says_so(jit_compile):
    inputs = np.random.default_rng(5).normal(size=(5, 3)).astype("float32")
    labels = inputs.sum(axis=1, keepdims=True)
    spoiled = inputs.copy()
    spoiled[2] = np.nan

    def fitted(optimizer, inputs, labels):
        keras.utils.set_random_seed(7)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        model.compile(optimizer, "mse", jit_compile=jit_compile)
        model.fit(inputs, labels, batch_size=1, shuffle=False, verbose=0)
        return model

    with pytest.warns(RuntimeWarning, match="^1 updates were withheld") as caught:
        ours = fitted(GuardedAdam(0.1), spoiled, labels)
    assert sum("withheld" in str(one.message) for one in caught) == 1
    others = np.delete(inputs, 2, axis=0), np.delete(labels, 2, axis=0)
    theirs = fitted(keras.optimizers.Adam(0.1), *others)
    for left, right in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-6)
    ours.fit(*others, verbose=0)  # nothing new: no warning


def test_the_scale_of_the_loss_never_falls_below_one():
    """At 0 the gradients would be 0 or NaN for ever, however good."""
    variable = keras.Variable([1.0])
    optimizer = GuardedAdam(0.1, scales_loss=True)
    optimizer.scale_loss(tf.constant(1.0))
    for _ in range(17):
        optimizer.apply([tf.constant([np.nan])], [variable])
    assert float(optimizer.scale_loss(tf.constant(1.0))) == 1.0
    optimizer.apply([tf.constant([0.5])], [variable])
    assert variable.numpy() == pytest.approx([0.9], rel=1e-5)
