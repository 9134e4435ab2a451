"""What is frozen stays as it is in training, and stays frozen in a copy and in a file."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_attn.layers import (
    DecoderBlock,
    EncoderBlock,
    FeedForward,
    GatedFeedForward,
    LearnedPositionEmbedding,
    MultiHeadAttention,
    Residual,
    TokenEmbedding,
)
from keras_attn.models import ConvSeq2Seq, RNNSeq2Seq, Transformer, TransformerLM

BLOCK = {"hidden_dim": 8, "intermediate_dim": 12, "num_heads": 2}
LAYERS = {
    "attention": lambda **options: MultiHeadAttention(2, 3, **options),
    "feed_forward": lambda **options: FeedForward(5, **options),
    "gated_feed_forward": lambda **options: GatedFeedForward(5, **options),
    "residual": lambda **options: Residual(**options),
    "position": lambda **options: LearnedPositionEmbedding(7, **options),
    "block": lambda **options: EncoderBlock(**BLOCK, **options),
}
MODELS = {
    "transformer": lambda: Transformer(20, **BLOCK, num_layers=2),
    "rnn": lambda: RNNSeq2Seq(20, hidden_dim=8),
    "conv": lambda: ConvSeq2Seq(20, hidden_dim=8, num_layers=2),
}


def values_of(layer: keras.layers.Layer) -> list[np.ndarray]:
    return [keras.ops.convert_to_numpy(weight).copy() for weight in layer.weights]


def fit(model: keras.Model) -> None:
    source = np.random.randint(1, 20, (6, 5))
    target = np.random.randint(1, 20, (6, 4))
    inputs = {"encoder_token_ids": source, "decoder_token_ids": target}
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.SGD(0.5), loss=loss)
    model.fit(inputs, target, batch_size=6, verbose=0)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("when", ["made", "before it is built", "after it is built"])
def test_a_frozen_layer_leaves_nothing_to_train_in_a_model(name, when):
    layer = LAYERS[name](**({"trainable": False} if when == "made" else {}))
    if when == "before it is built":
        layer.trainable = False
    inputs = keras.Input((5, 8))
    model = keras.Model(inputs, keras.layers.Dense(3)(layer(inputs)))
    if when == "after it is built":
        layer.trainable = False
    assert layer.weights and not layer.trainable_variables
    assert len(model.trainable_variables) == 2  # those of Keras' own layer
    layer.trainable = True
    assert len(model.trainable_variables) == 2 + len(layer.weights)


@pytest.mark.parametrize("name", MODELS)
def test_a_frozen_encoder_is_not_trained_and_stays_frozen_in_a_file(name, tmp_path):
    model = MODELS[name]()
    model.build()
    model.encoder.trainable = False
    is_in_encoder = {id(weight) for weight in model.encoder.weights}
    trained = [weight for weight in model.weights if id(weight) not in is_in_encoder]
    assert {id(weight) for weight in model.trainable_variables} == {id(one) for one in trained}
    before, others_before = values_of(model.encoder), [one.numpy().copy() for one in trained]
    fit(model)
    for now, then in zip(values_of(model.encoder), before, strict=True):
        np.testing.assert_array_equal(now, then)
    # The gradient of a key's bias is zero.
    pairs = zip(trained, others_before, strict=True)
    assert sum((one.numpy() != then).any() for one, then in pairs) > 10
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    copy = keras.models.clone_model(model)
    copy.build()
    for other in (loaded, copy):
        assert not other.encoder.trainable and other.decoder.trainable
        assert [one.path for one in other.trainable_variables] == [one.path for one in trained]
        assert [one.shape for one in other.weights] == [one.shape for one in model.weights]
    before = values_of(loaded.encoder)
    loaded.fit(
        {name: np.ones((2, 3), "int32") for name in model.input_names}, np.ones((2, 3)), verbose=0
    )
    for now, then in zip(values_of(loaded.encoder), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_a_part_that_is_trained_inside_of_a_frozen_one_stays_so(tmp_path):
    model = MODELS["transformer"]()
    model.build()
    model.encoder.trainable = False
    model.decoder.blocks[1].cross_attention.query_dense.trainable = False  # made by `build`
    for block in model.encoder.blocks:
        block.feed_forward_residual.normalization.trainable = True
    expected = [weight.path for weight in model.trainable_variables]
    assert sum("encoder/" in path for path in expected) == 4
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert [weight.path for weight in loaded.trainable_variables] == expected
    assert not loaded.decoder.blocks[1].cross_attention.query_dense.trainable
    assert loaded.decoder.blocks[1].self_attention.query_dense.trainable
    copy = Transformer.from_config(model.get_config())
    copy.decoder.trainable = True  # what a user says afterwards counts
    copy.encoder.blocks[0].trainable = True
    copy.build()
    assert copy.encoder.blocks[0].trainable and not copy.encoder.blocks[1].trainable


def test_a_frozen_stack_of_a_language_model_and_a_block_of_a_functional_model(tmp_path):
    model = TransformerLM(20, **BLOCK, num_layers=2)
    model.build()
    model.decoder.blocks[0].trainable = False
    config = model.get_config()
    assert config["changed_parts"] == {"decoder/block_0": {"trainable": False}}
    assert not TransformerLM.from_config(config).decoder.blocks[0].trainable
    block = EncoderBlock(**BLOCK, name="block")
    inputs = keras.Input((5, 8))
    functional = keras.Model(inputs, block(inputs))
    block.self_attention.trainable = False
    functional.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert not loaded.get_layer("block").self_attention.trainable
    assert len(loaded.trainable_variables) == len(functional.trainable_variables) == 8


def test_attention_to_the_source_is_trained_beside_frozen_self_attention():
    block = DecoderBlock(**BLOCK)
    block.build((None, 5, 8), (None, 7, 8))
    block.self_attention.trainable = False
    twin = DecoderBlock.from_config(block.get_config())
    twin.build((None, 5, 8), (None, 7, 8))
    paths = [weight.path.split("/", 1)[1] for weight in block.trainable_variables]
    assert [weight.path.split("/", 1)[1] for weight in twin.trainable_variables] == paths
    assert len(paths) == len(block.weights) - 8


def test_a_config_without_frozen_parts_is_as_before():
    assert "changed_parts" not in EncoderBlock(**BLOCK).get_config()
    assert "changed_parts" not in EncoderBlock(**BLOCK, trainable=False).get_config()


class TwoOfOneName(FeedForward):
    def build(self, input_shape):
        self.parts = [keras.layers.Dense(8, name="part") for _ in range(2)]
        for part in self.parts:
            part.build(input_shape)
        super().build(input_shape)


def test_parts_of_one_name_are_told_apart():
    layer = TwoOfOneName(5)
    layer.build((None, 8))
    layer.parts[1].trainable = False
    twin = TwoOfOneName.from_config(layer.get_config())
    twin.build((None, 8))
    assert twin.parts[0].trainable and not twin.parts[1].trainable


def test_a_shared_embedding_keeps_its_own_value():
    embedding = TokenEmbedding(20, 8)
    embedding.trainable = False
    sizes = {"vocabulary_size": 20, **BLOCK, "num_layers": 1}
    config = keras.saving.serialize_keras_object(
        TransformerLM(**sizes, embedding=embedding).decoder
    )
    twin = keras.saving.deserialize_keras_object(config)
    assert twin.trainable and not twin.embedding.trainable


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method")
@pytest.mark.parametrize("mode", ["int8", "int4"])
def test_what_is_quantized_in_a_layer_is_so_in_the_loaded_model(mode, tmp_path):
    inputs = keras.Input((5, 8))
    theirs = EncoderBlock(**BLOCK, attention=keras.layers.MultiHeadAttention)
    model = keras.Model(inputs, theirs(EncoderBlock(**BLOCK)(inputs)))
    model.quantize(mode)
    whole = MODELS["transformer"]()
    whole.build()
    whole.quantize(mode)
    ids = np.array([[4, 5, 3], [6, 3, 0]])
    x = np.random.normal(size=(3, 5, 8))
    pairs = [(model, x), (whole, {"encoder_token_ids": ids, "decoder_token_ids": ids})]
    for quantized, inputs in pairs:
        quantized.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        kinds = [weight.dtype for weight in loaded.weights]
        assert kinds == [weight.dtype for weight in quantized.weights] and "int8" in kinds
        np.testing.assert_array_equal(loaded(inputs), quantized(inputs))
