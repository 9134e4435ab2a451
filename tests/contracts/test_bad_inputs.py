"""Every public object that takes tensors or text, given what it was not made for.

A cell of the table is one object and one input. Either its result is right, compared with what the
ordinary input gives, or it is refused in one clear line. Nothing else passes: no wrong numbers, no
traceback of somebody else's, no silence.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_attn
from keras_attn import layers, models, ops, training
from keras_attn.data import ByteTokenizer, Corpus
from keras_attn.evaluation import corpus_scores
from tests.support.translators import save_small_translator

B, T, S, D, V, MOST = 3, 5, 4, 12, 23, 6
SIZES = {"hidden_dim": D, "intermediate_dim": 17, "num_heads": 3}

random = np.random.default_rng(11)
VECTORS = random.normal(size=(B, T, D)).astype("float32")
MEMORY = random.normal(size=(B, S, D)).astype("float32")
TOKEN_IDS = random.integers(1, V, (B, T)).astype("int32")
LOGITS = random.normal(size=(B, T, V)).astype("float32")

Call = Callable[[Any], Any]


class Refused:
    """What an input must meet that no result can be right for."""


REFUSED = Refused()


def ragged(values: np.ndarray) -> tf.RaggedTensor:
    """The values, with rows of several lengths."""
    return tf.RaggedTensor.from_tensor(values, lengths=[T, 1, 2])


def sparse(values: np.ndarray) -> tf.SparseTensor:
    return tf.sparse.from_dense(values)


def numbers(result: Any) -> list[np.ndarray]:
    """The arrays of a result, whatever it nests them in."""
    return [np.asarray(leaf) for leaf in tf.nest.flatten(result)]


def same(left: Any, right: Any, rows: slice = slice(None)) -> bool:
    pairs = list(zip(numbers(left), numbers(right), strict=True))
    return all(
        one.shape == other.shape
        and (one.ndim == 0 or np.allclose(one[rows], other[rows], atol=1e-5, equal_nan=True))
        for one, other in pairs
    )


def line_of(error: Exception) -> str:
    """What the error says itself, out of what Keras puts around it."""
    inside = re.search(r"\x1b\[1m(.*?)\x1b\[0m", str(error), re.DOTALL)
    return (inside[1] if inside else str(error)).strip()


def assert_refused(call: Call, value: Any) -> None:
    """One clear line: a ValueError that says what was received, in a line that can be read."""
    with pytest.raises(ValueError) as caught:
        call(value)
    line = line_of(caught.value)
    assert "\n" not in line and len(line) < 500, line
    assert "received" in line.lower(), line
    assert not re.search(r"0x[0-9a-f]{6}|__inference|\{\{node", line), line


def assert_cell(call: Call, value: Any, expected: Any, rows: slice = slice(None)) -> None:
    """The result of one cell is the expected one; `REFUSED` wants one clear line instead."""
    if expected is REFUSED:
        assert_refused(call, value)
    else:
        assert same(call(value), expected(), rows)


# Vectors: (B, T, D) or, from an encoder, (B, S, D)

attention = layers.MultiHeadAttention(3, 4)
feed_forward = layers.FeedForward(17)
residual = layers.Residual()
encoder_block = layers.EncoderBlock(**SIZES)
decoder_block = layers.DecoderBlock(**SIZES)
sinusoidal = layers.SinusoidalPositionEncoding()
learned = layers.LearnedPositionEmbedding(MOST)
decoder = models.Decoder(V, **SIZES, num_layers=1)

VECTOR_CALLS: dict[str, Call] = {
    "MultiHeadAttention(query)": lambda x: attention(x, MEMORY),
    "MultiHeadAttention(value)": lambda x: attention(VECTORS, x),
    "MultiHeadAttention(key)": lambda x: attention(VECTORS, VECTORS, x),
    "FeedForward": feed_forward,
    "Residual(inputs)": lambda x: residual(x, VECTORS),
    "Residual(sublayer_outputs)": lambda x: residual(VECTORS, x),
    "EncoderBlock": encoder_block,
    "DecoderBlock(inputs)": lambda x: decoder_block(x, MEMORY),
    "DecoderBlock(encoder_sequence)": lambda x: decoder_block(VECTORS, x),
    "SinusoidalPositionEncoding": sinusoidal,
    "LearnedPositionEmbedding": learned,
    "Decoder(encoder_sequence)": lambda x: decoder(TOKEN_IDS, x),
    "scaled_dot_product_attention(query)": (
        lambda x: ops.scaled_dot_product_attention(x, MEMORY, MEMORY)
    ),
    "scaled_dot_product_attention(value)": (
        lambda x: ops.scaled_dot_product_attention(VECTORS, VECTORS, x)
    ),
}

WITH_NAN = VECTORS.copy()
WITH_NAN[0, 0] = np.nan
WHOLE = np.round(VECTORS * 4)

# Input -> the value, and the ordinary value that gives the same result, or REFUSED.
VECTOR_INPUTS: dict[str, tuple[Any, Any]] = {
    "ragged": (ragged(VECTORS), REFUSED),
    "sparse": (sparse(VECTORS), REFUSED),
    "strings": (tf.fill((B, T, D), "a"), REFUSED),
    "rank 1": (VECTORS[0, 0], REFUSED),
    "float64": (VECTORS.astype("float64"), VECTORS),
    "a variable": (tf.Variable(VECTORS), VECTORS),
    "not a number in row 0": (WITH_NAN, VECTORS),
}


@pytest.mark.parametrize("kind", VECTOR_INPUTS)
@pytest.mark.parametrize("name", VECTOR_CALLS)
def test_vectors(name: str, kind: str) -> None:
    call, (value, ordinary) = VECTOR_CALLS[name], VECTOR_INPUTS[kind]
    rows = slice(1, None) if kind.startswith("not a number") else slice(None)
    expected = REFUSED if ordinary is REFUSED else lambda: call(ordinary)
    assert_cell(call, value, expected, rows)


# Token ids: (B, T)

embedding = layers.TokenEmbedding(V, D)
encoder = models.Encoder(V, **SIZES, num_layers=1)
transformer = models.Transformer(V, **SIZES, num_layers=1)
transformer.build()
short_transformer = models.Transformer(
    V, **SIZES, num_layers=1, position="learned", max_sequence_length=MOST
)
short_transformer.build()
SOURCE_IDS = random.integers(1, V, (B, S)).astype("int32")


def after_a_step(token_ids: Any) -> Any:
    logits, _ = transformer.decode_step(token_ids, transformer.start(SOURCE_IDS, 3))
    return logits


def transform(encoder_token_ids: Any, decoder_token_ids: Any) -> Any:
    return transformer(
        {"encoder_token_ids": encoder_token_ids, "decoder_token_ids": decoder_token_ids}
    )


TOKEN_ID_CALLS: dict[str, Call] = {
    "TokenEmbedding": embedding,
    "Encoder": encoder,
    "Decoder(token_ids)": lambda ids: decoder(ids, MEMORY),
    "Transformer(encoder_token_ids)": lambda ids: transform(ids, SOURCE_IDS),
    "Transformer(decoder_token_ids)": lambda ids: transform(SOURCE_IDS, ids),
    "Transformer.start": lambda ids: transformer.start(ids, 3)["source"],
    "Transformer.decode_step": lambda ids: after_a_step(ids[:, :1] if is_matrix(ids) else ids),
    "Transformer.attention_scores": (
        lambda ids: transformer.attention_scores(
            {"encoder_token_ids": ids, "decoder_token_ids": SOURCE_IDS}
        )
    ),
}


def is_matrix(ids: Any) -> bool:
    return ids is not None and len(ids.shape) == 2 and not isinstance(ids, tf.SparseTensor)


def with_first(token_id: Any) -> np.ndarray:
    ids = TOKEN_IDS.copy()
    ids[0, 0] = token_id
    return ids


TOKEN_ID_INPUTS: dict[str, tuple[Any, Any]] = {
    "ragged": (ragged(TOKEN_IDS), REFUSED),
    "sparse": (sparse(TOKEN_IDS), REFUSED),
    "strings": (tf.fill((B, T), "a"), REFUSED),
    "rank 1": (TOKEN_IDS[0], REFUSED),
    "rank 3": (TOKEN_IDS[..., None], REFUSED),
    "fractions": (TOKEN_IDS + 0.5, REFUSED),
    "not a number": (np.full((B, T), np.nan, "float32"), REFUSED),
    "an id below 0": (with_first(-1), REFUSED),
    "an id beyond the vocabulary": (with_first(V), REFUSED),
    "nothing": (None, REFUSED),
    "int64": (TOKEN_IDS.astype("int64"), TOKEN_IDS),
    "uint8": (TOKEN_IDS.astype("uint8"), TOKEN_IDS),
}


@pytest.mark.parametrize("kind", TOKEN_ID_INPUTS)
@pytest.mark.parametrize("name", TOKEN_ID_CALLS)
def test_token_ids(name: str, kind: str) -> None:
    call, (value, ordinary) = TOKEN_ID_CALLS[name], TOKEN_ID_INPUTS[kind]
    if name == "TokenEmbedding" and kind in ("rank 1", "rank 3"):  # a vector an id, in any shape
        vectors = np.asarray(call(TOKEN_IDS))
        assert same(call(value), vectors[0] if kind == "rank 1" else vectors[:, :, None])
        return
    assert_cell(call, value, REFUSED if ordinary is REFUSED else lambda: call(ordinary))


TOO_LONG = random.integers(1, V, (B, MOST + 1)).astype("int32")


@pytest.mark.parametrize("in_graph", [False, True], ids=["eager", "graph"])
@pytest.mark.parametrize(
    "call",
    [
        lambda ids: short_transformer.encoder(ids),
        lambda ids: short_transformer.decoder(ids, MEMORY),
        lambda ids: short_transformer.start(ids, 3)["position"],
        lambda ids: short_transformer.start(SOURCE_IDS, ids.shape[1])["position"],
    ],
    ids=["Encoder", "Decoder", "start(encoder_token_ids)", "start(max_length)"],
)
def test_more_positions_than_a_model_has_learned(call: Call, in_graph: bool) -> None:
    call = tf.function(call) if in_graph else call
    call(tf.constant(TOO_LONG[:, :MOST]))
    assert_refused(call, tf.constant(TOO_LONG))


@pytest.mark.parametrize("shape", [(0, T), (B, 0)], ids=["no rows", "no positions"])
@pytest.mark.parametrize(
    ("call", "last"),
    [
        (embedding, (D,)),
        (encoder, (D,)),
        (lambda ids: decoder(ids, np.zeros((*ids.shape, D), "float32")), (V,)),
        (lambda ids: transform(ids, ids), (V,)),
    ],
    ids=["TokenEmbedding", "Encoder", "Decoder", "Transformer"],
)
def test_empty_batches(call: Call, last: tuple[int], shape: tuple[int, int]) -> None:
    assert call(np.zeros(shape, "int32")).shape == (*shape, *last)


# Labels (B, T), logits (B, T, V), weights (B, T)


def metric_result(metric_class: type[keras.metrics.Metric], *arguments: Any) -> Any:
    metric = metric_class()
    metric.update_state(*arguments)
    return metric.result()


LOSSES: dict[str, Callable[..., Any]] = {
    "LabelSmoothedCrossEntropy": training.LabelSmoothedCrossEntropy(0.1),
    "Perplexity": lambda *arguments: metric_result(training.Perplexity, *arguments),
    "TokenAccuracy": lambda *arguments: metric_result(training.TokenAccuracy, *arguments),
}

LABEL_INPUTS: dict[str, tuple[Any, Any]] = {
    "ragged": (ragged(TOKEN_IDS), REFUSED),
    "sparse": (sparse(TOKEN_IDS), REFUSED),
    "strings": (tf.fill((B, T), "a"), REFUSED),
    "one-hot": (np.eye(V, dtype="float32")[TOKEN_IDS], REFUSED),
    "other rows": (TOKEN_IDS[:2], REFUSED),
    "fractions": (TOKEN_IDS + 0.5, REFUSED),
    "beyond the vocabulary": (with_first(V), REFUSED),
    "nothing": (None, REFUSED),
    "int64": (TOKEN_IDS.astype("int64"), TOKEN_IDS),
    "whole floats": (TOKEN_IDS.astype("float32"), TOKEN_IDS),
    "-100": (with_first(-100), with_first(0)),
}


@pytest.mark.parametrize("kind", LABEL_INPUTS)
@pytest.mark.parametrize("name", LOSSES)
def test_labels(name: str, kind: str) -> None:
    loss, (value, ordinary) = LOSSES[name], LABEL_INPUTS[kind]
    expected = REFUSED if ordinary is REFUSED else lambda: loss(ordinary, LOGITS)
    assert_cell(lambda labels: loss(labels, LOGITS), value, expected)


LOGITS_INPUTS: dict[str, tuple[Any, Any]] = {
    "ragged": (ragged(LOGITS), REFUSED),
    "sparse": (sparse(LOGITS), REFUSED),
    "strings": (tf.fill((B, T, V), "a"), REFUSED),
    "rank 2": (LOGITS[:, 0], REFUSED),
    "other positions": (LOGITS[:, :2], REFUSED),
    "nothing": (None, REFUSED),
    "float64": (LOGITS.astype("float64"), LOGITS),
}


@pytest.mark.parametrize("kind", LOGITS_INPUTS)
@pytest.mark.parametrize("name", LOSSES)
def test_logits(name: str, kind: str) -> None:
    loss, (value, ordinary) = LOSSES[name], LOGITS_INPUTS[kind]
    expected = REFUSED if ordinary is REFUSED else lambda: loss(TOKEN_IDS, ordinary)
    assert_cell(lambda logits: loss(TOKEN_IDS, logits), value, expected)


WEIGHTS = random.uniform(0.5, 1, (B, T)).astype("float32")
WEIGHT_INPUTS: dict[str, tuple[Any, Any]] = {
    "ragged": (ragged(WEIGHTS), REFUSED),
    "sparse": (sparse(WEIGHTS), REFUSED),
    "other positions": (WEIGHTS[:, :2], REFUSED),
    "more axes": (WEIGHTS[..., None], REFUSED),
    "float64": (WEIGHTS.astype("float64"), WEIGHTS),
    "booleans": (WEIGHTS > 0.7, (WEIGHTS > 0.7).astype("float32")),
}


@pytest.mark.parametrize("kind", WEIGHT_INPUTS)
@pytest.mark.parametrize("name", LOSSES)
def test_weights(name: str, kind: str) -> None:
    loss, (value, ordinary) = LOSSES[name], WEIGHT_INPUTS[kind]
    expected = REFUSED if ordinary is REFUSED else lambda: loss(TOKEN_IDS, LOGITS, ordinary)
    assert_cell(lambda weights: loss(TOKEN_IDS, LOGITS, weights), value, expected)


def test_logits_that_are_not_numbers_are_not_hidden() -> None:
    spoiled = LOGITS.copy()
    spoiled[0, 0, 0] = np.nan
    assert np.isnan(LOSSES["LabelSmoothedCrossEntropy"](TOKEN_IDS, spoiled))
    assert np.isnan(LOSSES["Perplexity"](TOKEN_IDS, spoiled))


# Text

LINES = ["A dog runs.", "", "Zwei kleine Hunde."]
BYTES = ByteTokenizer()


@pytest.fixture(scope="module", name="translator")
def small_translator(tmp_path_factory: pytest.TempPathFactory) -> keras_attn.Translator:
    directory = tmp_path_factory.mktemp("small") / "translator"
    return keras_attn.Translator.load(save_small_translator(directory))


TEXT_CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "tokenize": lambda _, texts: BYTES.tokenize(texts).to_list(),
    "Translator.translate": lambda translator, texts: translator.translate(texts),
    "Translator.translate_detailed": (
        lambda translator, texts: [one.text for one in translator.translate_detailed(texts)]
    ),
    "Translator.score(sources)": lambda translator, texts: translator.score(texts, LINES),
    "Translator.score(targets)": lambda translator, texts: translator.score(LINES, texts),
    "Corpus(sources)": lambda _, texts: Corpus(texts, LINES).sources,
    "Corpus(targets)": lambda _, texts: Corpus(LINES, texts).targets,
    "corpus_scores(hypotheses)": lambda _, texts: corpus_scores(texts, LINES).bleu,
    "corpus_scores(references)": lambda _, texts: corpus_scores(LINES, texts).bleu,
}

TEXT_INPUTS: dict[str, tuple[Any, Any]] = {
    "one string": ("A dog runs.", REFUSED),
    "bytes": (b"A dog runs.", REFUSED),
    "nothing": (None, REFUSED),
    "a number": (3, REFUSED),
    "nothing in a list": (["A dog runs.", None, "b"], REFUSED),
    "a number in a list": (["A dog runs.", 3, "b"], REFUSED),
    "not a number in a list": (["A dog runs.", float("nan"), "b"], REFUSED),
    "a list in a list": (["A dog runs.", ["a"], "b"], REFUSED),
    "half a character": (["A dog runs.", "\ud800", "b"], REFUSED),
    "a tuple": (tuple(LINES), LINES),
    "an array": (np.array(LINES), LINES),
}


@pytest.mark.parametrize("kind", TEXT_INPUTS)
@pytest.mark.parametrize("name", TEXT_CALLS)
def test_text(name: str, kind: str, translator: keras_attn.Translator) -> None:
    call, (value, ordinary) = TEXT_CALLS[name], TEXT_INPUTS[kind]
    if ordinary is REFUSED:
        assert_refused(lambda texts: call(translator, texts), value)
    else:
        assert list_of(call(translator, value)) == list_of(call(translator, ordinary))


def list_of(result: Any) -> list[Any]:
    return list(result) if isinstance(result, list | tuple) else [result]
