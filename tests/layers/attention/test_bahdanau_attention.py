"""Additive attention: its formula, masks and projected keys."""

import numpy as np
import tensorflow as tf

from keras_attn.layers import BahdanauAttention
from tests.support.layer_checks import check_layer
from tests.support.reference import softmax

B, T, S, D, E, K = 3, 4, 5, 6, 7, 8
random = np.random.default_rng(8)
QUERY = random.normal(size=(B, T, D)).astype("float32")
VALUE = random.normal(size=(B, S, E)).astype("float32")
MASK = np.array([[1, 1, 1, 1, 1], [1, 0, 1, 0, 0], [0, 0, 0, 0, 0]], bool)


def test_it_is_the_network_of_the_paper() -> None:
    layer = BahdanauAttention(units=K)
    layer.build(QUERY.shape, VALUE.shape)
    layer.key_dense.bias.assign(random.normal(size=K))
    outputs, weights = layer(QUERY, VALUE, value_mask=MASK, return_attention_scores=True)
    arrays = {
        weight.path.split("/", 1)[1]: np.asarray(weight, "float64") for weight in layer.weights
    }
    assert {name: array.shape for name, array in arrays.items()} == {
        "query/kernel": (D, K),
        "key/kernel": (E, K),
        "key/bias": (K,),
        "score_kernel": (K, 1),
    }
    for b in range(B):
        for t in range(T):
            score = np.zeros(S)
            for s in range(S):
                hidden = QUERY[b, t] @ arrays["query/kernel"] + VALUE[b, s] @ arrays["key/kernel"]
                score[s] = np.tanh(hidden + arrays["key/bias"]) @ arrays["score_kernel"][:, 0]
            expected = np.zeros(S)
            if MASK[b].any():
                expected[MASK[b]] = softmax(score[MASK[b]])
            np.testing.assert_allclose(weights[b, t], expected, atol=1e-5)
            np.testing.assert_allclose(outputs[b, t], expected @ VALUE[b], atol=1e-5)


def test_it_is_a_layer_as_keras_knows_it() -> None:
    check_layer(lambda: BahdanauAttention(units=K), QUERY, VALUE)
    check_layer(lambda: BahdanauAttention(units=K), QUERY, VALUE, value_mask=MASK)


def test_keys_that_were_projected_before_give_the_same() -> None:
    layer = BahdanauAttention()
    expected = layer(QUERY, VALUE, value_mask=MASK)
    key = layer.project_key(VALUE)
    assert key.shape == (B, S, D)  # as wide as the query, if nothing else is said
    np.testing.assert_array_equal(layer(QUERY, VALUE, key, value_mask=MASK), expected)


def test_the_softmax_is_float32_in_half_precision() -> None:
    layer = BahdanauAttention(dtype="mixed_bfloat16")
    _, weights = layer(QUERY, VALUE, return_attention_scores=True)
    assert weights.dtype == tf.float32
    np.testing.assert_allclose(np.sum(weights, -1), 1.0, atol=1e-6)
