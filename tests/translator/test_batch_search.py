"""Batches in worker threads: every source once, whatever shape it was searched in."""

from __future__ import annotations

import logging
import threading

import numpy as np
import pytest
import tensorflow as tf

from keras_attn.decoding import SearchResult
from keras_attn.translator.batch_search import BatchSearch

END = 3


def echo(token_ids):
    """A search whose one hypothesis is the source itself, and its score the sum of the ids."""
    sums = tf.cast(tf.reduce_sum(token_ids, axis=1, keepdims=True), tf.float32)
    return SearchResult(token_ids[:, None], sums, sums, tf.fill(tf.shape(sums), False))


def random_sources(count, longest, seed=0):
    rng = np.random.default_rng(seed)
    return [[*rng.integers(4, 100, rng.integers(1, longest)).tolist(), END] for _ in range(count)]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("num_workers", [1, 3])
def test_every_source_has_its_own_result(compiled, num_workers):
    sources = random_sources(100, longest=70)
    sources[7] = sources[50] = [END]  # empty lines
    search = BatchSearch(echo, num_workers)
    found = {}
    for members, result in search.run(sources, 256, longest=None, compiled=compiled):
        assert all(len(part) == len(members) for part in result)
        for row, i in enumerate(members):
            assert i not in found
            ids = result.token_ids[row, 0]
            found[i] = ids[ids != 0].tolist()
            assert result.scores[row, 0] == sum(sources[i])
    assert found == {i: ids for i, ids in enumerate(sources) if len(ids) > 1}


def test_several_batches_are_searched_at_a_time():
    # Every search waits for another one: alone it would wait in vain.
    barrier = threading.Barrier(2, timeout=30)

    def wait(token_ids):
        def meet(ids):
            barrier.wait()
            return ids

        return echo(tf.ensure_shape(tf.numpy_function(meet, [token_ids], tf.int32), [None, None]))

    sources = [[5] * 15 + [END], [6] * 31 + [END]]
    results = list(BatchSearch(wait, 2).run(sources, 32, longest=None, compiled=False))
    assert sorted(members for members, _ in results) == [[0], [1]]


def test_many_shapes_are_no_reason_to_warn(caplog):
    sources = [[5] * (length - 1) + [END] for length in (16, 32, 64, 128, 256, 512, 1024)]
    # TensorFlow warns twice of a function: this one is new to it.
    search = BatchSearch(lambda token_ids: echo(token_ids), 1)
    logger = logging.getLogger("tensorflow")
    logger.addHandler(caplog.handler)
    try:
        results = search.run(sources, 1024, longest=None, compiled=True)
        assert len(list(results)) == len(sources)
    finally:
        logger.removeHandler(caplog.handler)
    assert not caplog.records


def test_a_search_that_fails_is_heard_of_and_leaves_no_thread_behind():
    def fail(token_ids):
        with tf.control_dependencies([tf.debugging.assert_less(token_ids, 99)]):
            return echo(tf.identity(token_ids))

    sources = random_sources(40, longest=20)
    sources[20][0] = 99
    before = threading.active_count()
    with pytest.raises(tf.errors.InvalidArgumentError):
        list(BatchSearch(fail, 2).run(sources, 64, longest=None, compiled=False))
    assert threading.active_count() <= before
