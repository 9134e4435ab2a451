"""Sizes and rates: what is none is named, and NumPy's integers are integers."""

import json

import numpy as np
import pytest

from keras_attn.layers import (
    EncoderBlock,
    FeedForward,
    LearnedPositionEmbedding,
    LocalAttention,
    MultiHeadAttention,
    Residual,
    TokenEmbedding,
)
from keras_attn.models import Transformer

SIZES = {"hidden_dim": 12, "intermediate_dim": 17, "num_heads": 3}
CONSTRUCTORS = {
    "MultiHeadAttention": (MultiHeadAttention, {"num_heads": 3, "key_dim": 4}),
    "FeedForward": (FeedForward, {"intermediate_dim": 17}),
    "TokenEmbedding": (TokenEmbedding, {"vocabulary_size": 23, "hidden_dim": 12}),
    "LearnedPositionEmbedding": (LearnedPositionEmbedding, {"max_sequence_length": 7}),
    "EncoderBlock": (EncoderBlock, SIZES),
    "Transformer": (Transformer, {**SIZES, "source_vocabulary_size": 23, "num_layers": 1}),
}
OPTIONAL_SIZES = {
    "MultiHeadAttention": ["value_dim", "sliding_window", "num_key_value_heads"],
    "Transformer": ["target_vocabulary_size", "num_decoder_layers"],
}
CASES = [
    (name, argument)
    for name, (_, sizes) in CONSTRUCTORS.items()
    for argument in [*sizes, *OPTIONAL_SIZES.get(name, ())]
]


@pytest.mark.parametrize("value", [0, -3, 2.0, "8", True, float("nan"), np.float32(4)])
@pytest.mark.parametrize(("name", "argument"), CASES)
def test_what_is_no_size_is_named(name, argument, value):
    constructor, sizes = CONSTRUCTORS[name]
    with pytest.raises(
        ValueError, match=f"`{argument}` must be an integer of at least 1. Received: "
    ):
        constructor(**{**sizes, argument: value})


@pytest.mark.parametrize("name", CONSTRUCTORS)
def test_integers_of_numpy_are_sizes_that_a_config_can_hold(name):
    constructor, sizes = CONSTRUCTORS[name]
    layer = constructor(**{argument: np.int64(size) for argument, size in sizes.items()})
    config = json.loads(json.dumps(layer.get_config()))
    assert {argument: config[argument] for argument in sizes} == sizes


@pytest.mark.parametrize("rate", [1.0, -0.1, float("nan"), "0.1", None])
@pytest.mark.parametrize(
    ("constructor", "argument"),
    [
        (lambda **rate: MultiHeadAttention(3, 4, **rate), "dropout"),
        (FeedForward, "dropout"),
        (Residual, "dropout"),
        (lambda **rate: EncoderBlock(**SIZES, **rate), "attention_dropout"),
        (lambda **rate: Transformer(23, **SIZES, num_layers=1, **rate), "dropout"),
    ],
)
def test_what_is_no_rate_is_named(constructor, argument, rate):
    with pytest.raises(ValueError, match=rf"`{argument}` must be a number in \[0, 1\)"):
        constructor(**{argument: rate})


@pytest.mark.parametrize("output_shape", [8.0, 0, (4, 0), "8", np.float64(2)])
def test_what_is_no_output_shape_is_named(output_shape):
    with pytest.raises(ValueError, match="Invalid `output_shape`.*Received: output_shape="):
        MultiHeadAttention(3, 4, output_shape=output_shape)


def test_what_are_no_axes_is_named():
    with pytest.raises(ValueError, match="`attention_axes` must be an integer.*Received"):
        MultiHeadAttention(3, 4, attention_axes=1.0)
    assert MultiHeadAttention(3, 4, attention_axes=np.int64(1)).attention_axes == (1,)
    assert MultiHeadAttention(3, 4, output_shape=np.int64(8)).output_dims == (8,)


@pytest.mark.parametrize("axes", [4, -5, 3, -1, (1, 1), (2, -2)])
def test_axes_that_a_query_has_not_are_named(axes):
    query = np.zeros((2, 3, 4, 5), np.float32)
    with pytest.raises(ValueError, match="`attention_axes` must be different axes.*of 4 axes"):
        MultiHeadAttention(3, 4, attention_axes=axes)(query, query)


@pytest.mark.parametrize("window", [None, 0, 2.5])
def test_what_is_no_window_is_named(window):
    with pytest.raises(ValueError, match="`sliding_window` must be an integer.*Received"):
        LocalAttention(3, 4, sliding_window=window)
