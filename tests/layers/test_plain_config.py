"""Layers inside of a layer's config: copies that hold nothing else, and layers that are shared."""

from __future__ import annotations

import copy

import keras
import numpy as np
import pytest

from keras_attn.layers import (
    CausalBlock,
    DecoderBlock,
    EncoderBlock,
    FeedForward,
    MultiHeadAttention,
    RelativePositionBias,
    TokenEmbedding,
)
from keras_attn.models import Decoder, Encoder, Transformer, TransformerLM

BLOCK = {"hidden_dim": 8, "intermediate_dim": 12, "num_heads": 2, "dropout": 0.0}
X = np.random.default_rng(1).normal(size=(3, 5, 8)).astype("float32")
IDS = [np.array([[4, 5, 3, 0], [6, 7, 8, 3]]), np.array([[2, 9, 6], [2, 4, 5]])]


def save_and_load(model: keras.Model, directory) -> keras.Model:
    model.save(directory / "model.keras")
    return keras.saving.load_model(directory / "model.keras")


def encoder_and_decoder(embedding: keras.layers.Layer) -> keras.Model:
    sizes = {"vocabulary_size": 20, **BLOCK, "num_layers": 1, "embedding": embedding}
    source, target = (keras.Input((None,), dtype="int32", name=name) for name in ("s", "t"))
    decoder_sizes = {**sizes, "tie_output": isinstance(embedding, TokenEmbedding)}
    decoder = Decoder(name="decoder", **decoder_sizes)
    return keras.Model([source, target], decoder(target, Encoder(name="encoder", **sizes)(source)))


@pytest.mark.parametrize("embedding_class", [TokenEmbedding, keras.layers.Embedding])
def test_an_embedding_of_two_stacks_is_one_in_the_loaded_model(embedding_class, tmp_path):
    model = encoder_and_decoder(embedding_class(20, 8))
    loaded = save_and_load(model, tmp_path)
    assert loaded.get_layer("encoder").embedding is loaded.get_layer("decoder").embedding
    assert [one.shape for one in loaded.weights] == [one.shape for one in model.weights]
    np.testing.assert_array_equal(loaded(IDS), model(IDS))
    again = save_and_load(loaded, tmp_path)
    assert again.get_layer("encoder").embedding is again.get_layer("decoder").embedding


@pytest.mark.parametrize("slot", ["attention", "feed_forward"])
def test_a_layer_given_to_two_blocks_is_one_in_the_loaded_model(slot, tmp_path):
    shared = MultiHeadAttention(2, 4) if slot == "attention" else FeedForward(12)
    inputs = keras.Input((None, 8))
    hidden = EncoderBlock(**BLOCK, **{slot: shared}, name="first")(inputs)
    model = keras.Model(inputs, CausalBlock(**BLOCK, **{slot: shared}, name="second")(hidden))
    loaded = save_and_load(model, tmp_path)
    attribute = "self_attention" if slot == "attention" else slot
    first, second = (getattr(loaded.get_layer(name), attribute) for name in ("first", "second"))
    assert first is second
    assert len(loaded.weights) == len(model.weights)
    np.testing.assert_array_equal(loaded(X), model(X))


def test_a_bias_of_two_attentions_is_one_in_the_loaded_model(tmp_path):
    bias = RelativePositionBias()
    inputs = keras.Input((None, 8))
    hidden = MultiHeadAttention(2, 4, position=bias, name="first")(inputs)
    model = keras.Model(inputs, MultiHeadAttention(2, 4, position=bias, name="second")(hidden))
    loaded = save_and_load(model, tmp_path)
    assert loaded.get_layer("first").position is loaded.get_layer("second").position
    np.testing.assert_array_equal(loaded(X), model(X))


@pytest.mark.parametrize("position", ["rotary", "relative_bias", "learned"])
def test_the_blocks_of_a_loaded_stack_do_not_share_what_one_layer_described(position, tmp_path):
    attention = MultiHeadAttention(2, 4)
    stack = {**BLOCK, "num_layers": 3, "attention": attention, "position": position}
    model = Transformer(20, **stack, feed_forward=FeedForward(12))
    model.build()
    inputs = {"encoder_token_ids": IDS[0], "decoder_token_ids": IDS[1]}
    loaded = save_and_load(model, tmp_path)
    assert len(loaded.weights) == len(model.weights)
    np.testing.assert_array_equal(loaded(inputs), model(inputs))
    attentions = [block.self_attention for block in loaded.decoder.blocks]
    assert len({id(one) for one in attentions}) == 3
    if position != "learned":
        assert len({id(one.position) for one in attentions}) == 3


def _values(config):
    if isinstance(config, dict):
        return [config, *(inner for value in config.values() for inner in _values(value))]
    if isinstance(config, (list, tuple)):
        return [config, *(inner for value in config for inner in _values(value))]
    return [config]


SLOTS = {
    "attention": {"name": "local", "sliding_window": 3},
    "feed_forward": {"name": "swiglu", "use_bias": False},
    "normalization": {"name": "rms_norm", "epsilon": 1e-3},
    "residual": {"name": "sandwich", "normalization": keras.layers.RMSNormalization()},
}
HOLDERS = {
    "encoder_block": lambda: EncoderBlock(**BLOCK, **SLOTS),
    "decoder_block": lambda: DecoderBlock(**BLOCK, **SLOTS),
    "encoder": lambda: Encoder(20, **BLOCK, **SLOTS, num_layers=1),
    "transformer": lambda: Transformer(20, **BLOCK, **SLOTS, num_layers=1),
    "language_model": lambda: TransformerLM(20, **BLOCK, **SLOTS, num_layers=1),
}


@pytest.mark.parametrize("name", HOLDERS)
def test_a_config_holds_no_layers_so_a_copy_copies_none(name):
    layer = HOLDERS[name]()
    config = layer.get_config()
    kinds = {type(value) for value in _values(config)}
    assert kinds <= {dict, list, tuple, str, int, float, bool, type(None)}
    assert copy.deepcopy(config) == config
    assert type(layer).from_config(config).get_config() == config
