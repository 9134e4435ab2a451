"""Equation 1 against NumPy float64."""

import numpy as np
import pytest

from keras_attn import ops
from tests.support import reference


def draw(*shapes):
    generator = np.random.default_rng(3)
    return [generator.normal(size=shape).astype("float32") for shape in shapes]


@pytest.mark.parametrize("masked", [False, True])
def test_attention_equals_the_formula_in_float64(masked):
    query, key, value = draw((2, 3, 5, 7), (2, 3, 11, 7), (2, 3, 11, 13))
    mask = np.random.default_rng(4).random((2, 3, 5, 11)) > 0.4 if masked else None
    output, weights = ops.scaled_dot_product_attention(query, key, value, mask)
    for b in range(2):
        for h in range(3):
            expected = reference.attention(
                query[b, h], key[b, h], value[b, h], None if mask is None else mask[b, h]
            )
            np.testing.assert_allclose(output[b, h], expected[0], atol=2e-6)
            np.testing.assert_allclose(weights[b, h], expected[1], atol=2e-6)


def test_a_row_that_may_attend_to_nothing_is_zero_and_has_no_nan():
    query, key, value = draw((5, 7), (11, 7), (11, 13))
    mask = np.ones((5, 11), bool)
    mask[2] = False
    output, weights = ops.scaled_dot_product_attention(query, key, value, mask)
    assert np.all(output[2] == 0) and np.all(weights[2] == 0)
    assert np.all(np.abs(np.delete(np.asarray(output), 2, 0)).sum(-1) > 0)


def test_large_logits_stay_exact_where_half_precision_inputs_meet():
    query, key, value = draw((5, 7), (11, 7), (11, 13))
    query, key, value = (x.astype("float16") for x in (query * 30, key, value))
    _, weights = ops.scaled_dot_product_attention(query, key, value)
    assert weights.dtype == "float32"
    np.testing.assert_allclose(np.sum(weights, -1), 1, atol=1e-6)


def test_dropout_acts_on_the_values_but_not_on_the_returned_weights():
    query, key, value = draw((5, 7), (11, 7), (11, 13))
    plain, expected = ops.scaled_dot_product_attention(query, key, value)
    output, weights = ops.scaled_dot_product_attention(query, key, value, dropout=lambda w: w * 2)
    np.testing.assert_allclose(weights, expected)
    np.testing.assert_allclose(output, plain * 2, rtol=1e-6)
