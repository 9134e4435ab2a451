"""A `call` that leaves `training` to Keras trains with dropout, as Keras' own layers do."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_attn.layers import (
    CausalBlock,
    DecoderBlock,
    EncoderBlock,
    FeedForward,
    MultiHeadAttention,
    Residual,
    SandwichResidual,
)
from keras_attn.models import ConvSeq2Seq, RNNSeq2Seq, Transformer, TransformerClassifier

RATE = {"dropout": 0.5}
BLOCK = {"hidden_dim": 8, "intermediate_dim": 12, "num_heads": 2}
NO_DROPOUT = {**BLOCK, "dropout": 0.0}
X = np.random.default_rng(3).normal(size=(3, 5, 8)).astype("float32")
IDS = np.array([[4, 5, 6, 3], [7, 8, 3, 0]])
PAIRS = {"encoder_token_ids": IDS, "decoder_token_ids": IDS[:, :3]}


# Calls of subclasses. Keras wants the names of arguments that `build` knows.
def of_one(self, inputs):
    return super(type(self), self).call(inputs)


def of_sublayer(self, inputs, sublayer_outputs=None):
    return super(type(self), self).call(inputs, sublayer_outputs)


def of_source(self, inputs, encoder_sequence=None):
    return super(type(self), self).call(inputs, encoder_sequence)


def of_query(self, query, value=None, key=None):
    return super(type(self), self).call(query, value, key)


CALLS = {
    Residual: of_sublayer,
    SandwichResidual: of_sublayer,
    DecoderBlock: of_source,
    MultiHeadAttention: of_query,
}
LAYERS = {
    "feed_forward": (FeedForward, {"intermediate_dim": 12, **RATE}, X),
    "residual": (Residual, RATE, (X, X)),
    "stochastic_depth": (SandwichResidual, {"dropout": 0.0, "stochastic_depth": 0.5}, (X, X)),
    "attention": (MultiHeadAttention, {"num_heads": 2, "key_dim": 3, **RATE}, X),
    "encoder_block": (EncoderBlock, {**BLOCK, **RATE}, X),
    "causal_block": (CausalBlock, {**BLOCK, **RATE}, X),
    "decoder_block": (DecoderBlock, {**BLOCK, **RATE}, (X, X)),
    # Only the layer in a slot drops anything.
    "our_attention": (DecoderBlock, {**NO_DROPOUT, "attention_dropout": 0.5}, (X, X)),
    "keras_attention": (
        EncoderBlock,
        {**NO_DROPOUT, "attention": lambda: keras.layers.MultiHeadAttention(2, 3, dropout=0.5)},
        X,
    ),
    "keras_feed_forward": (
        CausalBlock,
        {**NO_DROPOUT, "feed_forward": lambda: keras.layers.Dropout(0.5)},
        X,
    ),
    "transformer": (Transformer, {"source_vocabulary_size": 20, **BLOCK, **RATE}, PAIRS),
    "classifier": (TransformerClassifier, {"vocabulary_size": 20, **BLOCK, **RATE}, IDS),
    "recurrent": (RNNSeq2Seq, {"source_vocabulary_size": 20, "hidden_dim": 8, **RATE}, PAIRS),
    "convolutional": (ConvSeq2Seq, {"source_vocabulary_size": 20, "hidden_dim": 8, **RATE}, PAIRS),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_subclass_that_does_not_know_of_training_has_dropout_in_training(name):
    base, arguments, inputs = LAYERS[name]
    subclass = type("Subclass", (base,), {"call": CALLS.get(base, of_one)})
    made = {key: value() if callable(value) else value for key, value in arguments.items()}
    if "num_layers" in base.__init__.__code__.co_varnames or base is TransformerClassifier:
        made["num_layers"] = 1
    layer = subclass(**made)
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    first, second = (np.asarray(layer(*inputs, training=True)) for _ in range(2))
    assert np.abs(first - second).max() > 1e-3
    np.testing.assert_array_equal(layer(*inputs), layer(*inputs))
    np.testing.assert_array_equal(layer(*inputs, training=False), layer(*inputs))


def test_none_leaves_the_choice_to_the_call_around_also_for_the_layers_after_it():
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.first, self.second = FeedForward(12, dropout=0.5), keras.layers.Dropout(0.5)

        def call(self, inputs):
            return self.second(self.first(inputs, training=None))

    model = Model()
    assert (np.asarray(model(X, training=True)) == 0).mean() > 0.3
    assert (np.asarray(model(X)) == 0).mean() < 0.1


def test_a_long_sequence_has_dropout_in_a_subclass_that_does_not_know_of_training(monkeypatch):
    subclass = type("Subclass", (MultiHeadAttention,), {"call": of_query})
    monkeypatch.setattr("keras_attn.layers.attention.multi_head_attention.LONG_SEQUENCE", 4)
    layer = subclass(2, 3, dropout=0.5)
    first, second = (np.asarray(layer(X, training=True)) for _ in range(2))
    assert np.abs(first - second).max() > 1e-3
