"""A plain graph that overwrites its caches finds what a search with copied caches finds."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import tensorflow as tf

from keras_attn import create_model
from keras_attn.decoding import search
from keras_attn.models import Ensemble
from keras_attn.ops import write_cache
from keras_attn.translator.in_place_caches import in_place_caches

V, S, LENGTH = 29, 7, 11
START, END = 2, 3


@functools.cache
def searches(num_beams: int, dtype: str, num_models: int = 1):
    """The same search twice, as a graph for any number of rows: caches in place, and copied."""
    sizes = {"hidden_dim": 24, "num_heads": 3, "num_layers": 2 if num_models == 1 else 1}
    models = [
        create_model("transformer_tiny", source_vocabulary_size=V, dtype=dtype, **sizes)
        for _ in range(num_models)
    ]
    model = models[0] if num_models == 1 else Ensemble(models)
    strategy = {"class_name": "BeamSearch", "config": {"num_beams": num_beams, "min_length": 6}}

    def start(token_ids):
        return model.start(token_ids, LENGTH, num_beams)

    @tf.function(input_signature=[tf.TensorSpec([None, S], tf.int32)], autograph=False)
    def in_place(token_ids):
        with in_place_caches(start(token_ids)) as state:
            return search(model.decode_step, state, strategy, LENGTH)

    @tf.function(input_signature=[tf.TensorSpec([None, S], tf.int32)], autograph=False)
    def copied(token_ids):
        return search(model.decode_step, start(token_ids), strategy, LENGTH)

    return in_place, copied


@pytest.mark.parametrize(
    ("num_beams", "dtype", "num_models"),
    [
        (4, "float32", 1),
        (3, "float32", 2),
        pytest.param(1, "float32", 2, marks=pytest.mark.slow),
        pytest.param(4, "mixed_bfloat16", 1, marks=pytest.mark.slow),
        pytest.param(1, "float16", 1, marks=pytest.mark.slow),
    ],
)
def test_the_search_is_the_same(num_beams, dtype, num_models):
    in_place, copied = searches(num_beams, dtype, num_models)
    token_ids = tf.constant(np.random.default_rng(1).integers(4, V, (5, S)), tf.int32)
    ours, theirs = in_place(token_ids), copied(token_ids)
    np.testing.assert_array_equal(ours.token_ids, theirs.token_ids)
    np.testing.assert_allclose(ours.log_probabilities, theirs.log_probabilities, rtol=1e-5)
    again = in_place(token_ids)  # nothing of the first search is left in the caches
    np.testing.assert_array_equal(again.log_probabilities, ours.log_probabilities)


def operations(function) -> set[str]:
    definition = function.get_concrete_function().graph.as_graph_def()
    graphs = [definition.node, *(each.node_def for each in definition.library.function)]
    return {node.op for nodes in graphs for node in nodes}


def test_caches_are_written_in_place_in_such_a_graph_alone():
    in_place, copied = searches(4, "float32")
    assert {"InplaceUpdate", "DeepCopy"} <= operations(in_place)
    assert "TensorScatterUpdate" not in operations(in_place)
    assert "InplaceUpdate" not in operations(copied)


def test_a_state_of_known_size_stays_as_it_is():
    state = {"carried": [tf.zeros([2, 3])], "rows": {}, "source": (), "position": 0}
    with in_place_caches(state) as same:
        assert same is state


def test_a_cache_that_is_not_carried_has_rows_of_its_own():
    @tf.function(input_signature=[tf.TensorSpec([], tf.int32)] * 2, autograph=False)
    def write(first, second):
        form = [None, 2, None, 3]
        caches = [tf.zeros([1, 2, length, 3]) for length in (first, second)]
        caches = [tf.raw_ops.PlaceholderWithDefault(input=one, shape=form) for one in caches]
        carried = [tf.raw_ops.PlaceholderWithDefault(input=tf.zeros([1, 4]), shape=[None, 4])]
        index = tf.constant(1)
        with in_place_caches({"carried": carried}):
            return [
                write_cache(tf.raw_ops.DeepCopy(x=one), 1 + 0 * one[:, :, :1], index)
                for one in caches
            ]

    for written in write(3, 4):
        positions = written.numpy()[0, :, :, 0]
        assert (positions == (np.arange(positions.shape[1]) == 1)).all()


def test_caches_of_one_form_must_be_of_one_size():
    @tf.function(input_signature=[tf.TensorSpec([], tf.int32)] * 2, autograph=False)
    def write(first, second):
        caches = [tf.zeros([1, 2, length, 3]) for length in (first, second)]
        form = [None, 2, None, 3]  # as in a graph for any number of rows
        caches = [tf.raw_ops.PlaceholderWithDefault(input=one, shape=form) for one in caches]
        with in_place_caches({"carried": caches}) as state:
            return write_cache(state["carried"][1], tf.ones([1, 2, 1, 3]), 1)

    np.testing.assert_array_equal(write(4, 4)[0, :, 1], np.ones((2, 3)))
    with pytest.raises(tf.errors.InvalidArgumentError, match="same numbers of rows and positions"):
        write(4, 5)
