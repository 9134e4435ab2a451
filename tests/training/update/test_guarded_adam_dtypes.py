"""GuardedAdam in half precision: who scales the loss, and weights of several dtypes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attn.training.update.guarded_adam import GuardedAdam

GRADIENTS = [[[3.0, -4.0], [0.5]], [[1.0, 2.0], [-2.0]]]  # two updates of two weights
START = [[0.25, -0.5], [1.5]]


def moments_after_a_batch(policy: str, **options) -> list[np.ndarray]:
    keras.config.set_dtype_policy(policy)
    inputs = keras.Input((3,))
    outputs = keras.layers.Dense(2, kernel_initializer="ones", dtype=policy)(inputs)
    model = keras.Model(inputs, keras.layers.Activation("linear", dtype="float32")(outputs))
    model.compile(GuardedAdam(0.01, scales_loss=True), "mse", **options)
    random = np.random.default_rng(5)
    model.train_on_batch(random.normal(size=(8, 3)), random.normal(size=(8, 2)))
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    return [moment.numpy() for moment in optimizer._momentums]


@pytest.mark.parametrize("options", [{}, {"auto_scale_loss": False}])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_gradient_is_divided_as_often_as_the_loss_was_multiplied(options, jit_compile):
    """Keras' own `compile` puts `LossScaleOptimizer` around it, which does both."""
    expected = moments_after_a_batch("float32")
    ours = moments_after_a_batch("mixed_float16", jit_compile=jit_compile, **options)
    for left, right in zip(ours, expected, strict=True):
        np.testing.assert_allclose(left, right, rtol=5e-3, atol=1e-4)


@pytest.mark.parametrize("scales_loss", [False, True])
@pytest.mark.parametrize(
    "dtypes", [("float32", "bfloat16"), ("float16", "float32"), ("float16", "float16")]
)
def test_weights_may_have_any_dtypes(dtypes, scales_loss):
    def made(dtypes):
        pairs = zip(START, dtypes, strict=True)
        return [keras.Variable(value, dtype=dtype) for value, dtype in pairs]

    ours, theirs = made(dtypes), made(["float32", "float32"])
    # Half precision rounds the usual betas and epsilon.
    options = {"beta_1": 0.5, "beta_2": 0.75, "epsilon": 2**-10, "global_clipnorm": 2.0}
    optimizer = GuardedAdam(0.1, ema_decay=0.5, scales_loss=scales_loss, **options)
    reference = keras.optimizers.Adam(0.1, **options)
    scale = float(optimizer.scale_loss(tf.constant(1.0, dtypes[0]))) / 2**3
    scale = scale if scales_loss else 1.0
    optimizer.build(ours)
    if scales_loss:
        optimizer._loss_scale.assign(scale)  # the largest would be infinite here in float16
    for step in GRADIENTS:
        given = [tf.constant(one, dtype) for one, dtype in zip(step, dtypes, strict=True)]
        optimizer.apply([one * tf.cast(scale, one.dtype) for one in given], ours)
        reference.apply([tf.constant(one) for one in step], theirs)
    assert int(optimizer.withheld_updates) == 0
    assert [one.dtype for one in optimizer._averages] == list(dtypes)
    for left, right in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(tf.cast(left, tf.float32), right, rtol=1e-2, atol=1e-3)
