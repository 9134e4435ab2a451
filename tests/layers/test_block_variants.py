"""Gates, normalizations and depths of blocks; what fills a slot by a name and arguments."""

import json

import keras
import numpy as np
import pytest

from keras_attn.layers import (
    DecoderBlock,
    EncoderBlock,
    FeedForward,
    GatedFeedForward,
    LocalAttention,
    MultiHeadAttention,
    RelativePositionBias,
    Residual,
    RotaryEmbedding,
    SandwichResidual,
    TokenEmbedding,
)
from keras_attn.layers.dropout import Dropout
from keras_attn.layers.slots import fill_slot
from keras_attn.models import Encoder, Transformer
from tests.support.layer_checks import check_layer
from tests.support.reference import layer_norm

random = np.random.default_rng(23)
X = random.normal(size=(3, 5, 6)).astype("float32")
SIZES = {"hidden_dim": 6, "intermediate_dim": 7, "num_heads": 3}


def gelu(x):
    from math import erf

    return x * 0.5 * (1.0 + np.vectorize(erf)(x / np.sqrt(2.0)))


GATES = {
    "glu": lambda x: 1 / (1 + np.exp(-x)),
    "geglu": gelu,
    "swiglu": lambda x: x / (1 + np.exp(-x)),
}


@pytest.mark.parametrize("name", GATES)
def test_a_gated_network_is_its_formula(name):
    layer = fill_slot("feed_forward", name, "ffn", intermediate_dim=7, activation="relu")
    layer.build(X.shape)
    for weight in layer.weights:
        weight.assign(random.normal(size=weight.shape))
    gate, inner, output = (
        (np.asarray(dense.kernel, "float64"), np.asarray(dense.bias))
        for dense in (layer.gate_dense, layer.intermediate_dense, layer.output_dense)
    )
    hidden = GATES[name](X @ gate[0] + gate[1]) * (X @ inner[0] + inner[1])
    np.testing.assert_allclose(layer(X), hidden @ output[0] + output[1], atol=2e-5)


def test_a_gated_network_has_the_manners_of_a_layer():
    check_layer(lambda: GatedFeedForward(7, activation="silu", dropout=0.1), X, tolerance=1e-5)


def test_a_sandwich_normalizes_what_goes_in_and_what_comes_out():
    residual = SandwichResidual(epsilon=1e-3)
    dense = keras.layers.Dense(6)
    residual(X, dense(residual(X)))
    for weight in residual.weights:
        weight.assign(random.normal(size=weight.shape))
    first, last = residual.normalization, residual.output_normalization
    hidden = dense(layer_norm(X.astype("float64"), first.gamma, first.beta, 1e-3))
    expected = X + layer_norm(np.asarray(hidden, "float64"), last.gamma, last.beta, 1e-3)
    np.testing.assert_allclose(residual(X, dense(residual(X))), expected, atol=1e-5)
    assert len(residual.trainable_weights) == 4
    block = {**SIZES, "residual": "sandwich", "stochastic_depth": 0.1, "feed_forward": "geglu"}
    check_layer(lambda: EncoderBlock(**block), X, tolerance=1e-5)


def test_a_stack_of_sandwiches_ends_with_a_normalization_and_has_its_epsilon():
    encoder = Encoder(11, **SIZES, num_layers=2, residual="sandwich", normalization_epsilon=1e-4)
    encoder.build()
    assert encoder.final_normalization.epsilon == 1e-4
    assert all(block.feed_forward_residual.epsilon == 1e-4 for block in encoder.blocks)
    assert Encoder(11, **SIZES, num_layers=1).final_normalization is None
    twin = Encoder.from_config(encoder.get_config())
    assert type(twin.blocks[1].self_attention_residual) is SandwichResidual


def test_stochastic_depth_leaves_whole_rows_out_and_keeps_the_mean():
    residual = Residual(dropout=0.0, normalize_first=True, stochastic_depth=0.25, seed=3)
    x, y = np.zeros((4000, 2, 3), "float32"), np.ones((4000, 2, 3), "float32")
    outputs = np.asarray(residual(x, y, training=True))
    values = np.unique(outputs)
    np.testing.assert_allclose(values, [0.0, 1 / 0.75], rtol=1e-6)
    assert np.ptp(outputs, axis=(1, 2)).max() == 0.0  # a row as a whole
    assert abs(outputs.mean() - 1.0) < 0.03
    np.testing.assert_array_equal(residual(x, y), y)


def test_stochastic_depth_rises_with_the_depth_of_a_stack():
    encoder = Encoder(11, **SIZES, num_layers=4, stochastic_depth=0.4)
    rates = [block.feed_forward_residual.stochastic_depth for block in encoder.blocks]
    np.testing.assert_allclose(rates, [0.1, 0.2, 0.3, 0.4])
    assert Encoder.from_config(encoder.get_config()).stochastic_depth == 0.4


def test_a_name_and_arguments_fill_a_slot_and_survive_a_config():
    local = {"name": "local", "sliding_window": 3}
    rotary = {"name": "rotary", "max_wavelength": 500.0}
    block = EncoderBlock(**SIZES, attention=local, position=rotary)
    twin = EncoderBlock.from_config(block.get_config())
    for one in (block, twin):
        assert type(one.self_attention) is LocalAttention and one.position is None
        assert one.self_attention.sliding_window == 3 and one.self_attention.num_heads == 3
        assert one.self_attention.position.max_wavelength == 500.0
    for filling, message in (
        ({"sliding_window": 3}, "must have the `name`"),
        ({"name": "local", "windows": 3}, "`windows` is not an argument of attention='local'"),
        ({"name": "locale"}, "Did you mean 'local'"),
    ):
        with pytest.raises(ValueError, match=message):
            EncoderBlock(**SIZES, attention=filling)


def test_a_layer_among_the_arguments_of_a_slot_is_one_for_each_block(tmp_path):
    attention = {"name": "multi_head", "position": RelativePositionBias()}
    model = Transformer(20, **SIZES, num_layers=2, attention=attention)
    model.build()
    tables = [weight for weight in model.encoder.weights if "relative_position_bias" in weight.path]
    assert len({id(table) for table in tables}) == 2
    json.dumps(model.get_config())
    assert all(layer.built for layer in model._flatten_layers())
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    for ours, theirs in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@keras.saving.register_keras_serializable(package="tests")
class AroundDense(keras.layers.Layer):
    """A feed-forward network around a layer that it is given."""

    def __init__(self, inner, **kwargs):
        super().__init__(**kwargs)
        self.inner = inner

    def build(self, input_shape):
        self.inner.build(input_shape)

    def call(self, inputs, training=None):
        return self.inner(inputs)

    def get_config(self):
        inner = keras.saving.serialize_keras_object(self.inner)
        return {**super().get_config(), "inner": inner}

    @classmethod
    def from_config(cls, config):
        inner = keras.saving.deserialize_keras_object(config.pop("inner"))
        return cls(inner=inner, **config)


def test_a_layer_among_the_arguments_of_ones_own_layer_is_saved(tmp_path):
    feed_forward = {"name": "tests>AroundDense", "inner": keras.layers.Dense(6)}
    model = Transformer(20, **SIZES, num_layers=1, feed_forward=feed_forward)
    model.build()
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(again.decoder.blocks[0].feed_forward.inner, keras.layers.Dense)
    for ours, theirs in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_call_without_training_takes_that_of_the_call_around_it():
    class Feeding(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.block = EncoderBlock(**SIZES, dropout=0.5)

        def call(self, inputs):
            return self.block.feed(inputs)

    class Halving(MultiHeadAttention):
        def attend(self, query, key, value, attention_mask=None, training=None, positions=None):
            return super().attend(query * 0.5, key, value, attention_mask)

    for layer in (Feeding(), Halving(3, 2, dropout=0.5)):
        if isinstance(layer, Feeding):
            layer.block.build(X.shape)
        first, second = (np.asarray(layer(X, training=True)) for _ in range(2))
        assert np.abs(first - second).max() > 1e-3
        np.testing.assert_array_equal(layer(X), layer(X))


def _seeds(model):
    layers = [one for one in model._flatten_layers() if isinstance(one, Dropout) and one.rate]
    return [layer.seed for layer in layers]


@pytest.mark.parametrize("kind", ["arguments", "layer"])
def test_a_seed_in_a_slot_gives_each_layer_other_elements_to_drop(kind, tmp_path):
    slots = {
        "attention": {"name": "multi_head", "dropout": 0.1, "seed": 11},
        "feed_forward": {"name": "feed_forward", "dropout": 0.1, "seed": 500},
        "residual": {"name": "residual", "dropout": 0.1, "seed": 900},
    }
    if kind == "layer":
        slots["attention"] = MultiHeadAttention(3, 2, dropout=0.1, seed=11)
        slots["feed_forward"] = FeedForward(7, dropout=0.1, seed=500)
        slots["residual"] = Residual(0.1, seed=900)
    model = Transformer(20, **SIZES, **slots, num_layers=2, dropout=0.0)
    model.build()
    seeds = _seeds(model)
    assert len(seeds) == 2 * (1 + 1 + 2) + 2 * (2 + 1 + 3)
    for start, end in ((0, 500), (500, 900), (900, 10_000)):  # of one slot
        of_slot = [seed for seed in seeds if start <= seed % 1_000_000 < end]
        assert len(set(of_slot)) == len(of_slot) >= 4
    model.save(tmp_path / "model.keras")
    assert _seeds(keras.saving.load_model(tmp_path / "model.keras")) == seeds
    block = model.decoder.blocks[1]
    twin = DecoderBlock.from_config(block.get_config())
    twin.build(X.shape)
    assert _seeds(twin) == _seeds(block)


def test_masks_go_around_layers_that_do_not_support_them():
    # A warning of Keras that a mask is lost would be an error here.
    slots = {"normalization": "rms_norm", "feed_forward": AroundDense(keras.layers.Dense(6))}
    block = EncoderBlock(**SIZES, **slots, normalize_first=True, residual="sandwich")
    model = keras.Sequential([TokenEmbedding(20, 6), block, EncoderBlock(**SIZES)])
    ids = np.array([[4, 5, 6, 0, 0], [7, 8, 9, 10, 11]])
    short = model(ids[:1, :3])
    np.testing.assert_allclose(model(ids)[:1, :3], short, atol=1e-5)


def test_a_layer_that_fills_a_slot_is_given_the_position():
    attention = MultiHeadAttention(3, 2, sliding_window=2)
    block = DecoderBlock(**SIZES, attention=attention, position=RotaryEmbedding())
    assert isinstance(block.self_attention.position, RotaryEmbedding)
    assert block.self_attention.sliding_window == 2
    assert block.cross_attention.position is None and block.cross_attention.sliding_window is None
    with pytest.raises(ValueError, match="has no argument for it"):
        EncoderBlock(**SIZES, attention=keras.layers.MultiHeadAttention, position="alibi")
    with pytest.raises(ValueError, match="acts inside attention"):
        MultiHeadAttention(3, 2, position="rotary")


def test_distances_have_two_directions_in_an_encoder_and_one_in_a_decoder():
    model = Transformer(20, **SIZES, num_layers=1, position="relative_bias")
    assert model.encoder.blocks[0].self_attention.position.bidirectional
    assert not model.decoder.blocks[0].self_attention.position.bidirectional


def test_an_attention_for_encoders_only_is_refused_before_anything_is_built():
    linformer = {"name": "linformer", "projected_length": 4}
    with pytest.raises(ValueError, match="set `decoder_attention`"):
        Transformer(20, **SIZES, num_layers=1, attention=linformer)
    model = Transformer(
        20, **SIZES, num_layers=1, attention=linformer, decoder_attention="multi_query"
    )
    assert model.max_sequence_length == 1024
    assert model.decoder.blocks[0].self_attention.num_key_value_heads == 1
    twin = Transformer.from_config(model.get_config())
    assert twin.decoder.blocks[0].self_attention.num_key_value_heads == 1
