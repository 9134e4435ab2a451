"""Multiplicative attention: its formula, masks and projected keys."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attn.layers import LuongAttention
from tests.support.layer_checks import check_layer
from tests.support.reference import softmax

B, T, S, D, E = 3, 4, 5, 6, 7
random = np.random.default_rng(8)
QUERY = random.normal(size=(B, T, D)).astype("float32")
VALUE = random.normal(size=(B, S, E)).astype("float32")
MASK = np.array([[1, 1, 1, 1, 1], [1, 0, 1, 0, 0], [0, 0, 0, 0, 0]], bool)


def test_it_is_the_general_score_of_the_paper() -> None:
    layer = LuongAttention()
    outputs, weights = layer(QUERY, VALUE, value_mask=MASK, return_attention_scores=True)
    ((kernel),) = (np.asarray(weight, "float64") for weight in layer.weights)  # (E, D)
    for b in range(B):
        for t in range(T):
            expected = np.zeros(S)
            score = [QUERY[b, t].astype("float64") @ (VALUE[b, s] @ kernel) for s in range(S)]
            if MASK[b].any():
                expected[MASK[b]] = softmax(np.array(score)[MASK[b]])
            np.testing.assert_allclose(weights[b, t], expected, atol=1e-5)
            np.testing.assert_allclose(outputs[b, t], expected @ VALUE[b], atol=1e-5)


def test_it_is_a_layer_as_keras_knows_it() -> None:
    check_layer(LuongAttention, QUERY, VALUE)
    check_layer(LuongAttention, QUERY, VALUE, value_mask=MASK)


def test_keys_that_were_projected_before_give_the_same() -> None:
    layer = LuongAttention()
    expected = layer(QUERY, VALUE, value_mask=MASK)
    key = layer.project_key(VALUE)
    assert key.shape == (B, S, D)
    np.testing.assert_array_equal(layer(QUERY, VALUE, key, value_mask=MASK), expected)


def test_the_keras_mask_of_the_value_hides_and_that_of_the_query_passes_through() -> None:
    layer = LuongAttention()
    expected = layer(QUERY, VALUE, value_mask=MASK)
    masking = keras.layers.Masking()
    query = masking(np.where(np.arange(T)[:, None] < 2, QUERY, 0).astype("float32"))
    value = masking(np.where(MASK[..., None], VALUE, 0).astype("float32"))
    outputs = layer(query, value)
    np.testing.assert_allclose(outputs[:, :2], expected[:, :2], atol=1e-6)
    np.testing.assert_array_equal(outputs._keras_mask, np.tile(np.arange(T) < 2, (B, 1)))


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_the_softmax_is_float32_in_half_precision(dtype) -> None:
    _, weights = LuongAttention(dtype=dtype)(QUERY, VALUE, return_attention_scores=True)
    assert weights.dtype == tf.float32
    np.testing.assert_allclose(np.sum(weights, -1), 1.0, atol=1e-6)
