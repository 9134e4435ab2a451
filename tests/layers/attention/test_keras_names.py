"""Code that was written for `keras.layers.MultiHeadAttention` finds its names here."""

import keras
import numpy as np
import pytest

import keras_attn
from keras_attn.layers import (
    ALiBiBias,
    LinearAttention,
    LinformerAttention,
    LocalAttention,
    MultiHeadAttention,
    RotaryEmbedding,
    SparseAttention,
)

B, T, S, D, H, K, V = 2, 5, 7, 12, 3, 4, 23


def draw(*shape):
    return np.random.default_rng(1).normal(size=shape).astype("float32")


@keras.saving.register_keras_serializable(package="tests")
class ByKerasHook(MultiHeadAttention):
    """Overrides the hook that Keras documents, and sharpens the attention."""

    def _compute_attention(self, query, key, value, attention_mask=None, training=None, **options):
        assert query.shape[2:] == key.shape[2:] == (H, K)
        assert attention_mask is None or len(attention_mask.shape) == 3
        return super()._compute_attention(
            query * 3.0, key, value, attention_mask, training, **options
        )


@keras.saving.register_keras_serializable(package="tests")
class ByOurHook(MultiHeadAttention):
    def attend(self, query, key, value, attention_mask=None, training=None):
        return super().attend(query * 3.0, key, value, attention_mask, training)


class Sharper(MultiHeadAttention):
    def attention_logits(self, query, key, positions=None):
        return super().attention_logits(query * 3.0, key, positions)


def twins(left, right, *shapes):
    for layer in (left, right):
        layer.build(*shapes)
    right.set_weights(left.get_weights())
    return left, right


@pytest.mark.parametrize("use_causal_mask", [False, True])
def test_an_overridden_compute_attention_is_what_attends(use_causal_mask):
    ours, theirs = twins(ByOurHook(H, K), ByKerasHook(H, K), (B, T, D))
    inputs = draw(B, T, D)
    expected = ours(inputs, inputs, use_causal_mask=use_causal_mask)
    assert np.abs(expected - MultiHeadAttention(H, K)(inputs, inputs)).max() > 1e-3
    result = theirs(inputs, inputs, use_causal_mask=use_causal_mask)
    np.testing.assert_allclose(result, expected, atol=1e-6)


def test_an_overridden_compute_attention_gets_turned_heads_but_refuses_a_bias():
    inputs = draw(B, T, D)
    ours, theirs = (layer(H, K, position=RotaryEmbedding()) for layer in (Sharper, ByKerasHook))
    ours, theirs = twins(ours, theirs, (B, T, D))
    expected = ours(inputs, use_causal_mask=True)
    assert np.abs(expected - ByKerasHook(H, K)(inputs, use_causal_mask=True)).max() > 1e-3
    np.testing.assert_allclose(theirs(inputs, use_causal_mask=True), expected, atol=1e-6)
    with pytest.raises(ValueError, match="`position` must have no bias .* Override `attend`"):
        ByKerasHook(H, K, position=ALiBiBias())(inputs)


@pytest.mark.parametrize(
    "base", [SparseAttention, LocalAttention, LinearAttention, LinformerAttention]
)
def test_an_overridden_compute_attention_is_refused_where_nothing_would_call_it(base):
    kind = type("Overriding", (base,), {"_compute_attention": ByKerasHook._compute_attention})
    with pytest.raises(ValueError, match="`_compute_attention` must not be overridden in a"):
        kind(H, K)
    base(H, K)


def test_a_model_with_such_an_attention_decodes_as_it_is_trained():
    model = keras_attn.create_model(
        "transformer_tiny", source_vocabulary_size=V, hidden_dim=D, num_heads=H, num_layers=1,
        attention=ByKerasHook,
    )  # fmt: skip
    source, target = np.array([[4, 5, 6, 3]]), np.array([[2, 7, 8, 9]])
    expected = model({"encoder_token_ids": source, "decoder_token_ids": target})
    assert not model.decoder.can_share_caches
    state = model.start(source, max_length=4)
    for step in range(4):
        logits, state = model.decode_step(target[:, step : step + 1], state)
        np.testing.assert_allclose(logits, expected[:, step], atol=1e-5)


def test_projections_have_keras_names_and_are_counted_once():
    layer = MultiHeadAttention(H, K, use_gate=True, sliding_window=6)
    layer.build((B, T, D))
    for name in ("query", "key", "value", "gate", "output"):
        assert getattr(layer, f"_{name}_dense") is getattr(layer, f"{name}_dense")
    assert layer._sliding_window == 6 and layer._num_heads == H and layer._key_dim == K
    assert len(layer.weights) == 10
