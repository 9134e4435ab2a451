"""Layers on more axes than three: each row as if it stood alone, and shapes that are foretold."""

import keras
import numpy as np
import pytest

from keras_attn.layers import (
    DecoderBlock,
    EncoderBlock,
    FeedForward,
    LearnedPositionEmbedding,
    MultiHeadAttention,
    Residual,
    SinusoidalPositionEncoding,
    TokenEmbedding,
)

A, B, T, D = 2, 3, 5, 12
SIZES = {"hidden_dim": D, "intermediate_dim": 17, "num_heads": 3}


def draw(*shape):
    return np.random.default_rng(1).normal(size=shape).astype("float32")


@pytest.mark.parametrize(
    "layer",
    [FeedForward(17), Residual(), SinusoidalPositionEncoding(), LearnedPositionEmbedding(9)],
    ids=lambda layer: layer.name,
)
@pytest.mark.parametrize("shape", [(A, B, T, D), (A, 1, T, D), (A, B, 1, D), (A, B, B, T, D)])
def test_more_axes_before_the_last_two_are_rows(layer, shape):
    inputs = draw(*shape)
    result = layer(inputs)
    expected = layer(inputs.reshape(-1, *shape[-2:]))
    assert result.shape == shape == tuple(layer.compute_output_shape(shape))
    np.testing.assert_allclose(np.reshape(result, expected.shape), expected, atol=1e-6)


def test_vectors_alone_pass_a_feed_forward_network():
    layer, inputs = FeedForward(17), draw(B, T, D)
    np.testing.assert_allclose(layer(inputs[0]), layer(inputs)[0], atol=1e-6)


def test_ids_of_any_shape_are_embedded_and_masked():
    layer, ids = TokenEmbedding(11, D), np.array([[[3, 4, 0]], [[5, 0, 0]]])
    assert layer(ids).shape == (2, 1, 3, D) == layer.compute_output_shape(ids.shape)
    np.testing.assert_array_equal(layer.compute_mask(keras.ops.convert_to_tensor(ids)), ids != 0)


def test_an_encoder_block_attends_over_all_inner_axes():
    block, image = EncoderBlock(**SIZES), draw(A, B, T, D)
    expected = block(image.reshape(A, B * T, D))
    np.testing.assert_allclose(np.reshape(block(image), expected.shape), expected, atol=1e-5)


def test_a_decoder_block_wants_sequences():
    with pytest.raises(ValueError, match="expected ndim=3, found ndim=4"):
        DecoderBlock(**SIZES)(draw(A, B, T, D), draw(A, T, D))
    with pytest.raises(ValueError, match="`encoder_sequence` must be of shape"):
        DecoderBlock(**SIZES)(draw(A, T, D), draw(A, B, T, D))


def test_a_sublayer_that_returns_another_shape_is_named():
    with pytest.raises(ValueError, match=r"`sublayer_outputs` must .* Received: \(5, 12\), \(2, 3"):
        Residual()(draw(A, B, T, D), draw(T, D))


@pytest.mark.parametrize(
    ("query", "value", "key", "message"),
    [
        ((B, D), None, None, "`query` must be of shape"),
        ((B, T, D), (B, D), None, "`value` must have as many axes as `query`"),
        ((B, T, D), (B, 7, D), (B, 8, D), "`value` and `key` but the last must be equal"),
    ],
)
def test_shapes_that_a_call_refuses_have_no_output_shape(query, value, key, message):
    layer = MultiHeadAttention(3, 4)
    with pytest.raises(ValueError, match=message):
        layer.compute_output_shape(query, value, key)
    with pytest.raises(ValueError, match=message):
        layer(*(None if shape is None else draw(*shape) for shape in (query, value, key)))
