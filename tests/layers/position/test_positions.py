"""Position layers: full sequences and step by step."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attn.layers import (
    CrossCache,
    LearnedPositionEmbedding,
    LinearAttention,
    LinformerAttention,
    MultiHeadAttention,
    RelativePositionBias,
    RelativePositionEmbedding,
    RotaryEmbedding,
    SinusoidalPositionEncoding,
    SoftCappedAttention,
    SparseAttention,
)
from tests.support import reference
from tests.support.layer_checks import check_layer

INPUTS = np.random.default_rng(0).normal(size=(2, 5, 6)).astype("float32")


def test_sinusoids_are_added_as_in_the_paper():
    expected = [[reference.sinusoid(p, i, 6) for i in range(6)] for p in range(5)]
    np.testing.assert_allclose(
        SinusoidalPositionEncoding()(INPUTS) - INPUTS, [expected] * 2, atol=4e-7
    )


def test_sinusoids_of_other_toolkits_begin_later_and_stand_in_halves():
    """The same numbers: positions 2, 3, ..., the sines of all pairs before their cosines."""
    order = [0, 2, 4, 1, 3, 5]
    expected = [[reference.sinusoid(p + 2, i, 6) for i in order] for p in range(5)]
    layer = SinusoidalPositionEncoding(offset=2, halves=True)
    np.testing.assert_allclose(layer(INPUTS) - INPUTS, [expected] * 2, atol=4e-7)
    check_layer(lambda: SinusoidalPositionEncoding(offset=2, halves=True), INPUTS)
    with pytest.raises(ValueError, match="`offset`"):
        SinusoidalPositionEncoding(offset=-1)


HEADS = np.random.default_rng(1).normal(size=(2, 3, 5, 4)).astype("float32")


def test_turned_heads_meet_by_their_distance_alone():
    layer = RotaryEmbedding(scaling="linear", factor=2.0)
    check_layer(lambda: RotaryEmbedding(scaling="linear", factor=2.0), HEADS)
    products = [
        np.einsum(
            "bhtk,bhsk->bhts", layer(HEADS, start_index=start), layer(HEADS, start_index=start)
        )
        for start in (0, 7)
    ]
    np.testing.assert_allclose(products[0], products[1], atol=1e-5)
    np.testing.assert_allclose(layer(HEADS)[:, :, 2::2], _turned_by_half(HEADS), atol=1e-5)
    assert np.abs(products[0] - np.einsum("bhtk,bhsk->bhts", HEADS, HEADS)).max() > 0.1


def _turned_by_half(heads):
    """Positions 2 and 4 turned as positions 1 and 2 are, by complex numbers."""
    turns = np.exp(1j * np.outer([1, 2], [1.0, 0.01]))
    pairs = (heads[:, :, 2::2, 0::2] + 1j * heads[:, :, 2::2, 1::2]) * turns
    return np.stack([pairs.real, pairs.imag], -1).reshape(2, 3, 2, 4)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: RotaryEmbedding(scaling="ntk"), "`scaling` must be one of"),
        (lambda: RotaryEmbedding(scaling="linear", factor=0.5), "`factor` must be at least 1"),
        (lambda: RotaryEmbedding(factor=2.0), "`factor` has no effect"),
        (lambda: RotaryEmbedding(scaling="yarn", factor=2.0), "`original_length` must be given"),
        (lambda: MultiHeadAttention(2, 3, position=RotaryEmbedding())(INPUTS), "of an even size"),
        (
            lambda: MultiHeadAttention(2, 4, position=RotaryEmbedding())(
                INPUTS, cache=CrossCache({})
            ),
            "`position` must be None for a `CrossCache`",
        ),
        (lambda: RelativePositionBias(num_buckets=8, max_distance=2), "`num_buckets` must be"),
        (lambda: SparseAttention(2, 3, pattern="bigbird"), "Did you mean 'big_bird'"),
        (lambda: SparseAttention(2, 3)(INPUTS, INPUTS[:, 1:]), "positions of one sequence"),
        (lambda: LinearAttention(2, 3, dropout=0.1), "`dropout` must be 0.0"),
        (lambda: LinearAttention(2, 4, position=RotaryEmbedding()), "`position` must be None"),
        (lambda: LinformerAttention(2, 3, sliding_window=2), "`sliding_window` must be left out"),
        (lambda: LinformerAttention(2, 3, max_sequence_length=4)(INPUTS), "longer than `max_seq"),
        (lambda: SoftCappedAttention(2, 3, soft_cap=0), "`soft_cap` must be greater"),
    ],
)
def test_what_cannot_be_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


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


def test_vectors_of_keys_and_of_values_start_from_different_numbers():
    layer = MultiHeadAttention(2, 3, position=RelativePositionEmbedding())
    layer.build(INPUTS.shape)
    position = layer.position
    assert np.abs(position.key_embeddings - position.value_embeddings).max() > 0.1


@pytest.mark.parametrize("length", [1, None])
def test_a_position_beyond_the_last_is_not_a_number_under_xla(length):
    layer = LearnedPositionEmbedding(max_sequence_length=5)
    layer.build(INPUTS.shape)

    @tf.function(
        jit_compile=True,
        input_signature=[tf.TensorSpec([2, length, 6]), tf.TensorSpec([], tf.int32)],
    )
    def step(inputs, start):
        return layer(inputs, start_index=start)

    np.testing.assert_allclose(step(INPUTS[:, :1], 4), INPUTS[:, :1] + layer.embeddings[4])
    assert np.isnan(step(INPUTS[:, :1], 5)).all()


def test_sinusoids_survive_half_precision():
    keras.config.set_dtype_policy("bfloat16")
    outputs = SinusoidalPositionEncoding()(np.zeros((1, 1024, 64), "float32"))
    values = np.asarray(tf.cast(outputs, tf.float32))[0]
    assert (np.abs(np.diff(values, axis=0)).max(-1) > 0.1).all()
