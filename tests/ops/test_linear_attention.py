"""Attention as sums over the keys: equal to the products of all pairs, in float64."""

import numpy as np
import pytest

from keras_attn.ops.linear_attention import linear_attention

B, H, T, M, V = 2, 3, 150, 5, 4  # three blocks of 64 positions, the last one partly filled


def draw(length=T):
    random = np.random.default_rng(7)
    query, key = (random.uniform(0.1, 1.0, (B, H, length, M)).astype("float32") for _ in range(2))
    return query, key, random.normal(size=(B, H, length, V)).astype("float32")


def causal_pairs(query, key, value):
    """The definition: the weights of all pairs, those of later keys left out."""
    query, key, value = (one.astype("float64") for one in (query, key, value))
    weights = np.tril(np.einsum("bhtm,bhsm->bhts", query, key))
    return np.einsum("bhts,bhsv->bhtv", weights / weights.sum(-1, keepdims=True), value)


@pytest.mark.parametrize("scale", [1.0, 1e7])
@pytest.mark.parametrize("position", [100, T - 1])
def test_a_later_key_changes_nothing_however_large_it_is(position, scale):
    query, key, value = draw()
    key[:, :, position] *= scale
    outputs = linear_attention(query, key, value, is_causal=True)
    np.testing.assert_allclose(outputs, causal_pairs(query, key, value), atol=1e-5)


@pytest.mark.parametrize("start", [1, 70])
def test_a_past_of_sums_stands_for_earlier_keys(start):
    query, key, value = draw()
    key[:, :, -1] *= 1e7
    past = {
        "keys": key[:, :, :start].sum(axis=2),
        "products": np.einsum("bhsm,bhsv->bhmv", key[:, :, :start], value[:, :, :start]),
    }
    now = (one[:, :, start:] for one in (query, key, value))
    outputs = linear_attention(*now, is_causal=True, past=past)
    expected = causal_pairs(query, key, value)[:, :, start:]
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
