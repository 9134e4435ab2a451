"""The best tokens equal a sort of the whole vocabulary, ties, limits and odd logits included."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from keras_attn.decoding.best_tokens import best_tokens
from keras_attn.decoding.search_rules import SearchRules
from keras_attn.decoding.token_log_probabilities import token_log_probabilities

B, W = 3, 2
START, END = 2, 3
# One of each for all cases, so that equal shapes are traced once.
IN_A_GRAPH = [tf.function(best_tokens, jit_compile=jit_compile) for jit_compile in (False, True)]


def sorted_vocabulary(logits: np.ndarray, limits: list[int], step: int, min_length: int, k: int):
    """What `best_tokens` promises, by sorting every row in float64."""
    log_probabilities = token_log_probabilities(tf.constant(logits)).numpy()
    ids = np.zeros((B, W, k), int)
    values = np.full((B, W, k), -np.inf)
    for b, w in np.ndindex(B, W):
        row = log_probabilities[b, w].astype("float64")
        allowed = [t for t in range(row.size) if t not in (0, START)]
        if step < min_length:
            allowed.remove(END)
        if step == limits[b] - 1:
            allowed = [END]
        best = sorted(allowed, key=lambda t: (-logits[b, w, t], t))[:k]
        ids[b, w, : len(best)], values[b, w, : len(best)] = best, row[best]
    return ids, values


@pytest.mark.parametrize("vocabulary_size", [7, 600, 1009])  # without groups; with; a prime
@pytest.mark.parametrize(("step", "min_length"), [(0, 0), (1, 4), (4, 0)])
@pytest.mark.parametrize("rounded", [False, True])
def test_they_are_the_head_of_the_sorted_vocabulary(vocabulary_size, step, min_length, rounded):
    logits = np.random.default_rng(step).normal(0, 3, (B, W, vocabulary_size)).astype("float32")
    if rounded:
        logits = np.round(logits)  # many equal ones
    limits, k = [9, 5, 7], 4
    rules = SearchRules(tf.constant(limits), START, END)
    ids, values = sorted_vocabulary(logits, limits, step, min_length, k)
    for function in IN_A_GRAPH:
        found = function(tf.constant(logits), rules, tf.constant(step), min_length, k)
        exists = values > -np.inf
        np.testing.assert_array_equal(found.token_ids.numpy()[exists], ids[exists])
        np.testing.assert_array_equal(found.log_probabilities > -np.inf, exists)
        np.testing.assert_allclose(
            found.log_probabilities.numpy()[exists], values[exists], rtol=2e-6, atol=2e-6
        )


def test_cut_short_tells_where_the_limit_forces_the_end():
    logits = np.zeros((B, W, 600), "float32")
    logits[:, 0, END] = 5.0  # the model wants to end
    logits[:, 1, 17] = 5.0  # the model wants to go on
    rules = SearchRules(tf.constant([5, 6, 5]), START, END)
    found = best_tokens(tf.constant(logits), rules, tf.constant(4), 0, 2)
    assert found.cut_short.numpy().tolist() == [[False, True], [False, False], [False, True]]


def test_the_most_probable_token_may_be_one_that_is_never_produced():
    logits = np.zeros((B, W, 600), "float32")
    logits[:, :, START] = 500.0  # exp(500) is no float32
    rules = SearchRules(tf.constant([9, 9, 9]), START, END)
    found = best_tokens(tf.constant(logits), rules, tf.constant(0), 0, 1)
    np.testing.assert_allclose(found.log_probabilities, -500.0)


def test_impossible_tokens_come_before_forbidden_ones_and_nan_is_no_token():
    logits = np.full((B, W, 600), -np.inf, "float32")
    logits[:, :, START] = 0.0
    logits[1, 1, 9] = np.nan
    rules = SearchRules(tf.constant([9, 9, 1]), START, END)
    found = best_tokens(tf.constant(logits), rules, tf.constant(0), 0, 2)
    assert found.token_ids[0, 0].numpy().tolist() == [1, 3]
    np.testing.assert_allclose(found.log_probabilities[0, 0], -1e9)
    assert np.all(found.log_probabilities[1, 1] == -np.inf)
    assert found.token_ids[2, 0, 0] == END
    np.testing.assert_allclose(found.log_probabilities[2, 0, 0], -1e9)


def test_a_row_without_a_single_possible_token_has_no_probabilities():
    logits = np.zeros((1, 2, 7), "float32")
    logits[0, 1] = -np.inf
    rules = SearchRules(tf.constant([5]), START, END)
    best = best_tokens(tf.constant(logits), rules, tf.constant(0), 0, k=2)
    np.testing.assert_allclose(best.log_probabilities[0, 0], -np.log(7), rtol=1e-6)
    np.testing.assert_array_equal(best.log_probabilities[0, 1], -np.inf)
