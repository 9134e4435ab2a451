"""Position layers: full sequences and step by step."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attn.layers import LearnedPositionEmbedding, SinusoidalPositionEncoding
from tests.support import reference
from tests.support.layer_checks import check_layer

INPUTS = np.random.default_rng(0).normal(size=(2, 5, 6)).astype("float32")


def test_sinusoids_are_added_as_in_the_paper():
    expected = [[reference.sinusoid(p, i, 6) for i in range(6)] for p in range(5)]
    np.testing.assert_allclose(
        SinusoidalPositionEncoding()(INPUTS) - INPUTS, [expected] * 2, atol=4e-7
    )


@pytest.mark.parametrize("make", [SinusoidalPositionEncoding, lambda: LearnedPositionEmbedding(9)])
def test_positions_given_step_by_step_are_those_of_the_whole_sequence(make):
    layer = make()
    expected = layer(INPUTS)
    for t in range(5):
        step = layer(INPUTS[:, t : t + 1], start_index=tf.constant(t))
        np.testing.assert_allclose(step[:, 0], expected[:, t], atol=1e-6)


@pytest.mark.parametrize("make", [SinusoidalPositionEncoding, lambda: LearnedPositionEmbedding(9)])
def test_they_do_what_every_layer_must(make):
    check_layer(make, INPUTS)


def test_learned_positions_differ_are_trained_and_end_somewhere():
    layer = LearnedPositionEmbedding(max_sequence_length=5)
    added = np.asarray(layer(INPUTS) - INPUTS)
    np.testing.assert_allclose(added[0], layer.embeddings, atol=1e-6)
    assert len(layer.trainable_weights) == 1
    with pytest.raises(ValueError, match="longer than `max_sequence_length`=5"):
        layer(np.zeros((1, 6, 6), "float32"))
    with pytest.raises(ValueError, match="longer than `max_sequence_length`=5"):
        layer(np.zeros((1, 1, 6), "float32"), start_index=5)


def test_sinusoids_survive_half_precision():
    keras.config.set_dtype_policy("bfloat16")
    outputs = SinusoidalPositionEncoding()(np.zeros((1, 1024, 64), "float32"))
    values = np.asarray(tf.cast(outputs, tf.float32))[0]
    assert (np.abs(np.diff(values, axis=0)).max(-1) > 0.1).all()
