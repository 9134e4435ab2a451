"""`ops`, `layers` and `models` compute the same under JAX and PyTorch as the formulas say.

`make test-backends` runs this file in an environment of its own for each backend, without
TensorFlow. Under TensorFlow it runs with all other tests.
"""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

import keras_attn
from keras_attn.layers import (
    DecoderBlock,
    EncoderBlock,
    FeedForward,
    LearnedPositionEmbedding,
    MultiHeadAttention,
    SinusoidalPositionEncoding,
    TokenEmbedding,
)
from keras_attn.layers.dropout import Dropout, random_bits
from keras_attn.models import ConvSeq2Seq, Encoder, Ensemble, RNNSeq2Seq, Transformer
from keras_attn.ops import causal_mask, scaled_dot_product_attention
from keras_attn.ops.chunked_attention import chunked_attention
from tests.support.attention_variants import VARIANTS, attend

B, T, S, D, H, V = 3, 5, 7, 12, 3, 23
SIZES = {"hidden_dim": D, "intermediate_dim": 17, "num_heads": H}
random = np.random.default_rng(2)
QUERY = random.normal(size=(B, T, D)).astype("float32")
VALUE = random.normal(size=(B, S, D)).astype("float32")
SOURCE = np.array(
    [[4, 5, 6, 7, 8, 9, 3], [10, 11, 3, 0, 0, 0, 0], [12, 13, 14, 15, 3, 0, 0]], "int32"
)
TARGET = np.array([[2, 4, 5, 6, 7], [2, 8, 9, 0, 0], [2, 10, 11, 12, 0]], "int32")
INPUTS = {"encoder_token_ids": SOURCE, "decoder_token_ids": TARGET}


@pytest.fixture(autouse=True)
def fixed_seed() -> None:
    """Seeds the weights of every test: `conftest.py`, which does so elsewhere, needs TensorFlow."""
    if keras.backend.backend() != "tensorflow":
        keras.utils.set_random_seed(20170612)


def numpy(tensor) -> np.ndarray:
    return ops.convert_to_numpy(tensor)


def softmax(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def test_attention_is_equation_1() -> None:
    mask = random.random((B, T, S)) < 0.7
    mask[..., 0] = True
    output, weights = scaled_dot_product_attention(
        ops.convert_to_tensor(QUERY),
        ops.convert_to_tensor(VALUE),
        ops.convert_to_tensor(VALUE),
        mask,
    )
    query, value = QUERY.astype("float64"), VALUE.astype("float64")
    expected = softmax(np.where(mask, query @ value.swapaxes(1, 2) / D**0.5, -np.inf))
    np.testing.assert_allclose(numpy(weights), expected, atol=1e-6)
    np.testing.assert_allclose(numpy(output), expected @ value, atol=1e-5)


def test_the_causal_mask_is_a_triangle() -> None:
    np.testing.assert_array_equal(numpy(causal_mask(T)), np.tril(np.ones((T, T), bool)))


def test_multi_head_attention_is_keras_own() -> None:
    ours, theirs = MultiHeadAttention(H, 4), keras.layers.MultiHeadAttention(H, 4)
    expected = theirs(QUERY, VALUE)
    ours.build(QUERY.shape, VALUE.shape)
    ours.set_weights(theirs.get_weights())
    np.testing.assert_allclose(numpy(ours(QUERY, VALUE)), numpy(expected), atol=1e-5)


def test_position_encodings_are_added() -> None:
    positions, pairs = np.arange(T)[:, None], np.arange(D) // 2
    angles = positions * 10_000.0 ** (-2 * pairs / D)
    expected = QUERY + np.where(np.arange(D) % 2, np.cos(angles), np.sin(angles))
    np.testing.assert_allclose(numpy(SinusoidalPositionEncoding()(QUERY)), expected, atol=1e-5)
    learned = LearnedPositionEmbedding(9)
    learned.build(QUERY.shape)
    table = numpy(learned.embeddings)
    np.testing.assert_allclose(
        numpy(learned(QUERY, start_index=2)), QUERY + table[2 : 2 + T], atol=1e-6
    )


def test_random_bits_are_the_hash_of_32_bits() -> None:
    def mix(number: int) -> int:
        for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
            number = (number ^ (number >> shift)) * factor % 2**32
        return number ^ (number >> 16)

    seed = (123_456_789, 3)
    key = mix(seed[0])
    call = mix((seed[1] + mix((key + 1) % 2**32)) % 2**32)
    expected = [mix((mix(i ^ key) + call) % 2**32) for i in range(20)]
    bits = random_bits((4, 5), ops.convert_to_tensor(np.array(seed, "int32")))
    assert numpy(bits).ravel().tolist() == expected


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_dropout_drops_as_many_as_its_rate(rate: float) -> None:
    kept = numpy(Dropout(rate, seed=1)(ops.ones((400, 100)), training=True))
    assert abs((kept == 0).mean() - rate) < 0.01
    np.testing.assert_allclose(kept[kept != 0], 1 / (1 - rate), rtol=1e-6)


def test_a_masked_token_changes_nothing() -> None:
    block, embedding = EncoderBlock(**SIZES), TokenEmbedding(V, D)
    short = numpy(block(embedding(SOURCE[2:, :5])))
    np.testing.assert_allclose(numpy(block(embedding(SOURCE[2:])))[:, :5], short, atol=1e-5)


def test_a_mask_reaches_self_attention_in_a_compiled_sequential_model() -> None:
    model = keras.Sequential([TokenEmbedding(V, D), MultiHeadAttention(H, 4)])
    short = model.predict(SOURCE[2:, :5], verbose=0)
    np.testing.assert_allclose(model.predict(SOURCE[2:], verbose=0)[:, :5], short, atol=1e-5)


def test_cached_steps_equal_the_full_pass() -> None:
    model = keras_attn.create_model("transformer_tiny", source_vocabulary_size=V, **SIZES)
    expected, state = numpy(model(INPUTS)), model.start(SOURCE, max_length=T)
    for step in range(T):
        logits, state = model.decode_step(TARGET[:, step : step + 1], state)
        real = TARGET[:, step] != 0
        np.testing.assert_allclose(numpy(logits)[real], expected[real, step], atol=1e-5)


def test_layers_work_in_a_functional_model_of_any_length_and_are_saved(tmp_path) -> None:
    token_ids = keras.Input((None,), dtype="int32")
    hidden = SinusoidalPositionEncoding()(TokenEmbedding(V, D)(token_ids))
    hidden = FeedForward(17)(EncoderBlock(**SIZES)(hidden))
    model = keras.Model(token_ids, keras.layers.Dense(2)(hidden))
    assert model(SOURCE).shape == (B, S, 2)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(numpy(again(SOURCE[:, :4])), numpy(model(SOURCE[:, :4])), atol=1e-6)


def test_learned_positions_go_into_a_functional_model_of_any_length() -> None:
    token_ids = keras.Input((None,), dtype="int32")
    for max_length in (S, 100):  # PyTorch makes up lengths of 83 and 89
        sizes = {**SIZES, "num_layers": 1, "max_sequence_length": max_length}
        for slots in ({"position": "learned"}, {"attention": "linformer"}):
            model = keras.Model(token_ids, Encoder(V, **sizes, **slots)(token_ids))
            assert model(SOURCE).shape == (B, S, D)
    with pytest.raises(ValueError, match=f"8 positions is longer than `max_sequence_length`={S}"):
        Encoder(V, **{**sizes, "max_sequence_length": S}, position="learned")(
            np.ones((2, S + 1), "int32")
        )


def test_vectors_of_any_length_go_into_a_functional_model() -> None:
    vectors = keras.Input((None, D))
    model = keras.Model(vectors, EncoderBlock(**SIZES)(vectors))
    assert model(QUERY).shape == (B, T, D) and model(VALUE).shape == (B, S, D)


@pytest.mark.skipif(
    keras.backend.backend() == "tensorflow", reason="tests/models/test_transformer.py does this"
)
def test_frozen_parts_stay_frozen_in_a_file_and_shared_ones_shared(tmp_path) -> None:
    embedding = TokenEmbedding(V, D)
    encoder = Encoder(V, **SIZES, num_layers=1, embedding=embedding, name="encoder")
    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    hidden = DecoderBlock(**SIZES, name="block")(embedding(target), encoder(source))
    model = keras.Model([source, target], hidden)
    model.get_layer("block").cross_attention.trainable = False
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert len(again.weights) == len(model.weights)
    assert len(again.trainable_variables) == len(model.trainable_variables)
    assert not again.get_layer("block").cross_attention.trainable
    np.testing.assert_allclose(
        numpy(again([SOURCE, TARGET])), numpy(model([SOURCE, TARGET])), atol=1e-6
    )


def test_the_transformer_is_trained_by_plain_fit() -> None:
    keras.utils.set_random_seed(2)
    model = keras_attn.create_model("transformer_tiny", source_vocabulary_size=V, **SIZES)
    adam = keras.optimizers.Adam(0.01)
    model.compile(adam, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    losses = model.fit(INPUTS, TARGET, epochs=12, verbose=0).history["loss"]
    assert losses[-1] < losses[0] - 1  # with 24 seeds of both backends: 1.3 to 2.7 lower


# Under TensorFlow, tests/layers, tests/ops and tests/models do the following.
of_other_backends = pytest.mark.skipif(
    keras.backend.backend() == "tensorflow", reason="other tests do this under TensorFlow"
)


@of_other_backends
@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("causal", [False, True])
def test_every_attention_is_its_formula(name: str, causal: bool) -> None:
    """Also those that compute blocks, sums, or chunks."""
    variant = VARIANTS[name]
    if causal and "causal" in variant.refuses:
        return
    layer = variant.make()
    x = random.normal(size=(2, 13, 6)).astype("float32")
    real = np.arange(13) < np.array([[9], [13]])
    layer.build(x.shape)
    layer._is_short = lambda *_: False
    outputs = layer(ops.convert_to_tensor(x), value_mask=real, use_causal_mask=causal)
    np.testing.assert_allclose(numpy(outputs), attend(variant, layer, x, real, causal), atol=1e-5)


@of_other_backends
@pytest.mark.parametrize("is_causal", [False, True])
def test_attention_in_chunks_is_dense_attention(is_causal: bool) -> None:
    x = ops.convert_to_tensor(random.normal(size=(2, 3, 37, 4)).astype("float32"))
    mask = causal_mask(37) if is_causal else None
    expected, _ = scaled_dot_product_attention(x, x, x, mask)
    outputs = chunked_attention(x, x, x, is_causal=is_causal, chunk_size=8)
    np.testing.assert_allclose(numpy(outputs), numpy(expected), atol=1e-5)


MODELS = {
    "recurrent": lambda: RNNSeq2Seq(V, hidden_dim=D, num_layers=1),
    "convolutional": lambda: ConvSeq2Seq(V, hidden_dim=D, num_layers=2),
    "local": lambda: Transformer(
        V, **SIZES, num_layers=1, attention={"name": "local", "sliding_window": 3}, position="alibi"
    ),
    "ensemble": lambda: Ensemble(
        [RNNSeq2Seq(V, hidden_dim=D, num_layers=1), Transformer(V, **SIZES, num_layers=1)]
    ),
    "linear": lambda: Transformer(V, **SIZES, num_layers=1, attention="linear"),
}


@of_other_backends
@pytest.mark.parametrize("name", MODELS)
def test_every_model_decodes_as_it_reads(name: str) -> None:
    model = MODELS[name]()
    model.build()
    expected = numpy(model(INPUTS))
    state, logits = model.start(ops.convert_to_tensor(SOURCE), max_length=T), []
    for t in range(T):
        step, state = model.decode_step(ops.convert_to_tensor(TARGET[:, t : t + 1]), state)
        logits.append(numpy(step))
    np.testing.assert_allclose(np.stack(logits, axis=1), expected, atol=1e-5)
