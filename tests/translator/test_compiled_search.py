"""A search by programs of fixed shapes gives what the search of any shape gives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from keras_attn.decoding import SearchResult
from keras_attn.translator.compiled_search import CompiledSearch, compiled_lengths


def search(token_ids: tf.Tensor) -> SearchResult:
    """Two hypotheses of a row: it, and it backwards; scored by the sum of its ids."""
    both = tf.stack([token_ids, token_ids[:, ::-1]], axis=1)
    scores = tf.cast(tf.reduce_sum(both, axis=2), tf.float32)
    return SearchResult(both, scores, -scores, both[:, :, 0] == 0)


@pytest.fixture(scope="module")
def run() -> Callable[[np.ndarray], SearchResult]:
    """One graph for all numbers of rows and lengths."""
    compiled = CompiledSearch(search, (1, 4), longest=40)
    return tf.function(compiled, input_signature=[tf.TensorSpec((None, None), tf.int32)])


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize("length", [1, 16, 17, 40])
def test_any_number_of_rows_of_any_length(
    rows: int, length: int, run: Callable[[np.ndarray], SearchResult]
) -> None:
    ids = np.random.default_rng(rows).integers(1, 50, (rows, length)).astype("int32")
    result = run(ids)
    np.testing.assert_array_equal(result.token_ids[:, 0, :length], ids)
    assert not result.token_ids.numpy()[:, 0, length:].any()
    assert result.token_ids.shape[0] == rows
    if rows:
        assert result.token_ids.shape[2] == (16 if length <= 16 else 40)
    sums = ids.sum(axis=1)[:, np.newaxis].repeat(2, axis=1)
    np.testing.assert_array_equal(result.log_probabilities, sums)
    np.testing.assert_array_equal(result.scores, -sums)


@pytest.mark.parametrize(
    ("longest", "lengths"), [(8, [8]), (16, [16]), (20, [16, 20]), (129, [16, 64, 129])]
)
def test_lengths(longest: int, lengths: list[int]) -> None:
    assert compiled_lengths(longest) == lengths
