"""Sinusoids against the paper's formula."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attn import ops
from tests.support import reference


def formula(positions, hidden_dim):
    return np.array(
        [[reference.sinusoid(p, i, hidden_dim) for i in range(hidden_dim)] for p in positions]
    )


@pytest.mark.parametrize("hidden_dim", [6, 7])
def test_sinusoids_equal_the_formula_interleaved_from_position_zero(hidden_dim):
    encoding = ops.sinusoidal_encoding(600, hidden_dim)
    np.testing.assert_allclose(encoding, formula(range(600), hidden_dim), atol=6e-8)


def test_symbolic_lengths_give_the_same_sinusoids_within_float32():
    run = tf.function(
        lambda length, start: ops.sinusoidal_encoding(length, 10, start),
        input_signature=[tf.TensorSpec([], tf.int32)] * 2,
    )
    np.testing.assert_allclose(run(7, 100), formula(range(100, 107), 10), atol=1.5e-5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "bfloat16"])
def test_half_precision_never_makes_neighboring_positions_equal(policy):
    keras.config.set_dtype_policy(policy)
    encoding = np.asarray(ops.sinusoidal_encoding(1024, 64))
    assert encoding.dtype == "float32"
    assert (np.abs(np.diff(encoding, axis=0)).max(-1) > 0.1).all()
