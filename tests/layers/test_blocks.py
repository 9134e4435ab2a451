"""FeedForward, Residual and the two blocks, against the paper's formulas in NumPy."""

import json

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
    TokenEmbedding,
)
from keras_attn.models import Encoder
from tests.support import reference
from tests.support.layer_checks import check_layer

B, T, S, D, H, F = 2, 5, 7, 12, 3, 17
SIZES = {"hidden_dim": D, "intermediate_dim": F, "num_heads": H}


def draw(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype("float32")


def weights_of(layer):
    return {w.path.split("/", 1)[1]: np.asarray(w, "float64") for w in layer.weights}


def shake(layer):
    """Gives every weight, biases and norms too, a value of its own."""
    generator = np.random.default_rng(5)
    layer.set_weights([w + 0.3 * generator.normal(size=w.shape) for w in layer.get_weights()])


def feed_forward(x, w, prefix=""):
    hidden = np.maximum(x @ w[f"{prefix}intermediate/kernel"] + w[f"{prefix}intermediate/bias"], 0)
    return hidden @ w[f"{prefix}output/kernel"] + w[f"{prefix}output/bias"]


def attend(query, value, w, prefix, mask=None):
    """Multi-head attention of one sentence, head by head."""
    total = w[f"{prefix}attention_output/bias"]
    for h in range(H):
        q, k, v = (
            x @ w[f"{prefix}{name}/kernel"][:, h] + w[f"{prefix}{name}/bias"][h]
            for x, name in ((query, "query"), (value, "key"), (value, "value"))
        )
        head, _ = reference.attention(q, k, v, mask)
        total = total + head @ w[f"{prefix}attention_output/kernel"][h]
    return total


def norm(x, w, name):
    prefix = f"{name}_residual/normalization"
    return reference.layer_norm(x, w[f"{prefix}/gamma"], w[f"{prefix}/beta"])


def test_feed_forward_is_equation_2():
    layer = FeedForward(F)
    inputs = draw(B, T, D)
    layer(inputs)
    shake(layer)
    np.testing.assert_allclose(layer(inputs), feed_forward(inputs, weights_of(layer)), atol=2e-5)


@pytest.mark.parametrize("normalize_first", [False, True])
def test_residual_is_the_formula_of_its_order(normalize_first):
    residual, dense = Residual(normalize_first=normalize_first), keras.layers.Dense(D)
    inputs = draw(B, T, D)
    outputs = residual(inputs, dense(residual(inputs)))
    shake(residual)
    outputs = residual(inputs, dense(residual(inputs)))
    w = weights_of(residual)
    gamma, beta = w["normalization/gamma"], w["normalization/beta"]
    kernel, bias = dense.get_weights()
    if normalize_first:
        expected = inputs + reference.layer_norm(inputs, gamma, beta) @ kernel + bias
    else:
        expected = reference.layer_norm(inputs + inputs @ kernel + bias, gamma, beta)
    np.testing.assert_allclose(outputs, expected, atol=2e-5)


@pytest.mark.parametrize("normalize_first", [False, True])
def test_residual_in_a_functional_model_saves_and_loads(normalize_first, tmp_path):
    inputs = keras.Input((T, D))
    residual = Residual(normalize_first=normalize_first)
    model = keras.Model(inputs, residual(inputs, keras.layers.Dense(D)(residual(inputs))))
    shake(model)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again(draw(B, T, D)), model(draw(B, T, D)), atol=1e-6)
    assert len(model.weights) == 4


@pytest.mark.parametrize("normalize_first", [False, True])
def test_encoder_block_is_figure_1_left(normalize_first):
    block = EncoderBlock(**SIZES, normalize_first=normalize_first)
    inputs = draw(B, S, D)
    padding_mask = np.arange(S)[None] < np.array([[S], [4]])
    block(inputs)
    shake(block)
    outputs = block(inputs, padding_mask=padding_mask)
    w = weights_of(block)
    for x, real, output in zip(inputs.astype("float64"), padding_mask, outputs, strict=True):
        mask = np.tile(real, (S, 1))
        if normalize_first:
            y = norm(x, w, "self_attention")
            x = x + attend(y, y, w, "self_attention/", mask)
            x = x + feed_forward(norm(x, w, "feed_forward"), w, "feed_forward/")
        else:
            x = norm(x + attend(x, x, w, "self_attention/", mask), w, "self_attention")
            x = norm(x + feed_forward(x, w, "feed_forward/"), w, "feed_forward")
        np.testing.assert_allclose(output[real], x[real], atol=3e-5)


@pytest.mark.parametrize("normalize_first", [False, True])
def test_decoder_block_is_figure_1_right(normalize_first):
    block = DecoderBlock(**SIZES, normalize_first=normalize_first)
    inputs, encoder_sequence = draw(B, T, D), draw(B, S, D)
    real = np.arange(S)[None] < np.array([[S], [4]])
    block(inputs, encoder_sequence)
    shake(block)
    outputs = block(inputs, encoder_sequence, encoder_padding_mask=real)
    w = weights_of(block)
    causal = np.tril(np.ones((T, T), bool))
    for i in range(B):
        x, z = inputs[i].astype("float64"), encoder_sequence[i].astype("float64")
        cross = np.tile(real[i], (T, 1))
        if normalize_first:
            y = norm(x, w, "self_attention")
            x = x + attend(y, y, w, "self_attention/", causal)
            y = norm(x, w, "cross_attention")
            x = x + attend(y, z, w, "cross_attention/", cross)
            x = x + feed_forward(norm(x, w, "feed_forward"), w, "feed_forward/")
        else:
            x = norm(x + attend(x, x, w, "self_attention/", causal), w, "self_attention")
            x = norm(x + attend(x, z, w, "cross_attention/", cross), w, "cross_attention")
            x = norm(x + feed_forward(x, w, "feed_forward/"), w, "feed_forward")
        np.testing.assert_allclose(outputs[i], x, atol=3e-5)


def test_blocks_do_what_every_layer_must():
    check_layer(lambda: FeedForward(F), draw(B, T, D))
    check_layer(lambda: EncoderBlock(**SIZES, dropout=0.0), draw(B, S, D), tolerance=1e-5)
    check_layer(
        lambda: DecoderBlock(**SIZES, dropout=0.0), draw(B, T, D), draw(B, S, D), tolerance=1e-5
    )


def test_keras_masks_of_an_embedding_reach_the_attention_of_a_sequential_model():
    model = keras.Sequential([TokenEmbedding(11, D), EncoderBlock(**SIZES)])
    short, long = np.array([[3, 5, 9]]), np.array([[3, 5, 9, 0, 0]])
    np.testing.assert_allclose(model(short), model(long)[:, :3], atol=1e-5)


def test_dropout_acts_in_training_only():
    block = EncoderBlock(**SIZES, dropout=0.5)
    inputs = draw(B, S, D)
    np.testing.assert_array_equal(block(inputs), block(inputs, training=False))
    assert np.abs(block(inputs, training=True) - block(inputs)).max() > 0.1


# Slots


@keras.saving.register_keras_serializable(package="tests")
class UniformAttention(MultiHeadAttention):
    """Attends to everything alike."""

    def attend(self, query, key, value, attention_mask=None, training=None):
        return super().attend(query * 0, key, value, attention_mask, training)


@pytest.mark.parametrize("block_class", [EncoderBlock, DecoderBlock])
def test_keras_own_attention_fills_the_slot(block_class):
    """It knows nothing of caches, and need not in training."""
    block = block_class(**SIZES, attention=keras.layers.MultiHeadAttention(H, D // H))
    ours = block_class(**SIZES)
    inputs = [draw(B, T, D)] if block_class is EncoderBlock else [draw(B, T, D), draw(B, S, D)]
    block(*inputs), ours(*inputs)
    ours.set_weights(block.get_weights())
    np.testing.assert_allclose(block(*inputs), ours(*inputs), atol=2e-6)


FILLINGS = {
    "class": UniformAttention,
    "layer": UniformAttention(num_heads=H, key_dim=D // H),
    "config": keras.saving.serialize_keras_object(UniformAttention(num_heads=H, key_dim=D // H)),
}


@pytest.mark.parametrize("kind", FILLINGS)
@pytest.mark.parametrize("block_class", [EncoderBlock, DecoderBlock])
def test_an_attention_of_ones_own_fills_the_slot_and_survives_a_file(kind, block_class, tmp_path):
    block = block_class(**SIZES, attention=FILLINGS[kind])
    inputs = [keras.Input((None, D))] * (1 if block_class is EncoderBlock else 2)
    model = keras.Model(inputs[0], block(*inputs))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again(draw(B, S, D)), model(draw(B, S, D)), atol=1e-6)
    twin = block_class.from_config(json.loads(json.dumps(block.get_config())))
    assert isinstance(twin.self_attention, UniformAttention)
    if block_class is DecoderBlock:
        assert isinstance(twin.cross_attention, UniformAttention)
        assert twin.cross_attention is not twin.self_attention


@pytest.mark.parametrize(
    "slots",
    [
        {
            "normalization": "rms_norm",
            "position": "sinusoidal",
            "feed_forward": FeedForward(3, activation="gelu"),
        },
        {
            "normalization": keras.layers.LayerNormalization(epsilon=1e-3),
            "normalize_first": True,
            "position": LearnedPositionEmbedding(9),
            "attention": MultiHeadAttention(2, 5, num_key_value_heads=1),
        },
        {"normalization": None},
    ],
)
def test_every_slot_takes_names_and_layers_and_round_trips(slots):
    check_layer(lambda: EncoderBlock(**SIZES, dropout=0.0, **slots), draw(B, S, D), tolerance=1e-5)


def test_a_name_that_no_slot_knows_names_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'multi_head'"):
        EncoderBlock(**SIZES, attention="multihead")
    with pytest.raises(ValueError, match="`normalization` must be a name, a layer class"):
        EncoderBlock(**SIZES, normalization=3)
    with pytest.raises(ValueError, match="must be registered. Received: RMSNormalization"):
        EncoderBlock(**SIZES, normalization=keras.layers.RMSNormalization)


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ValueError, match="`num_heads` must divide `hidden_dim`. Received"):
        EncoderBlock(hidden_dim=10, num_heads=3)


def test_an_input_of_another_width_is_refused():
    with pytest.raises(ValueError, match="The last axis of `inputs` must be `hidden_dim`"):
        EncoderBlock(**SIZES)(draw(B, S, D + 1))


def test_scores_have_their_shapes_in_a_functional_model():
    inputs, encoder_sequence = keras.Input((T, D)), keras.Input((S, D))
    _, scores = EncoderBlock(**SIZES)(inputs, return_attention_scores=True)
    assert scores.shape == (None, H, T, T)
    _, self_scores, cross_scores = DecoderBlock(**SIZES)(
        inputs, encoder_sequence, return_attention_scores=True
    )
    assert self_scores.shape == (None, H, T, T) and cross_scores.shape == (None, H, T, S)


@pytest.mark.parametrize("holder", ["encoder_block", "decoder_block", "attention", "encoder"])
def test_symbolic_outputs_can_be_asked_for_before_the_layer_is_built(holder):
    hidden, source = keras.KerasTensor((3, 5, 12)), keras.KerasTensor((3, 7, 12))
    sizes = {"hidden_dim": 12, "intermediate_dim": 17, "num_heads": 3}
    makers = {
        "encoder_block": (lambda: EncoderBlock(**sizes), [hidden], [(3, 5, 12), (3, 3, 5, 5)]),
        "decoder_block": (
            lambda: DecoderBlock(**sizes),
            [hidden, source],
            [(3, 5, 12), (3, 3, 5, 5), (3, 3, 5, 7)],
        ),
        "attention": (
            lambda: MultiHeadAttention(3, 4),
            [hidden, source],
            [(3, 5, 12), (3, 3, 5, 7)],
        ),
        "encoder": (
            lambda: Encoder(20, **sizes, num_layers=2),
            [keras.KerasTensor((3, 5), "int32")],
            [(3, 5, 12), (3, 2, 3, 5, 5)],
        ),
    }
    make, inputs, shapes = makers[holder]
    layer = make()
    outputs = layer.compute_output_spec(*inputs, return_attention_scores=True)
    assert [output.shape for output in outputs] == shapes
    assert layer.compute_output_spec(*inputs).shape == shapes[0]
    results = layer(*(np.ones(x.shape, x.dtype) for x in inputs), return_attention_scores=True)
    assert [tuple(result.shape) for result in results] == shapes
    assert len(layer.weights) == len(make_built(make, inputs).weights)


def make_built(make, inputs):
    layer = make()
    layer(*(np.ones(x.shape, x.dtype) for x in inputs))
    return layer
