"""Each signature says what the translator says by its own path for lines."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import keras_attn
from keras_attn.data import ByteTokenizer
from keras_attn.decoding import BeamSearch
from keras_attn.serving.signatures import MOST_BYTES_A_LINE, MOST_LINES, SIGNATURES

from .conftest import make_translator

LINES = ["Good morning, everybody.", "", "Wo ist der Bahnhof?", "x", "far too long a line " * 9]


@pytest.fixture(scope="module")
def signatures(version_1):
    return tf.saved_model.load(str(version_1)).signatures


def run(signatures, name, **inputs):
    arrays = signatures[name](**{key: tf.constant(value) for key, value in inputs.items()})
    return {key: value.numpy() for key, value in arrays.items()}


def texts(array) -> list[str]:
    return [text.decode() for text in array.ravel().tolist()]


def test_all_are_there(signatures) -> None:
    assert set(signatures) == set(SIGNATURES)


def test_the_loaded_export_translates_and_scores_as_the_translator(translator, signatures) -> None:
    outputs = signatures["serving_default"](tf.constant(LINES))
    expected = translator.translate_detailed(LINES)
    assert sorted(outputs) == ["score", "translation", "truncated"]
    assert outputs["truncated"].numpy().tolist() == [one.truncated for one in expected]
    assert len({one.truncated for one in expected}) == 2
    translations = texts(outputs["translation"].numpy())
    assert translations == [one.text for one in expected]
    assert len(set(translations)) == len(LINES)  # nonsense, but of each line its own
    assert outputs["score"].numpy() == pytest.approx([one.score for one in expected], rel=1e-4)


def test_statistics_are_those_of_the_translator(translator, signatures) -> None:
    outputs = run(signatures, "translate_with_stats", text=[*LINES, "caf\u00e9 \u4e16"])
    expected = translator.translate_detailed([*LINES, "caf\u00e9 \u4e16"])
    assert texts(outputs["translation"]) == [one.text for one in expected]
    log_probabilities = [one.log_probability for one in expected]
    np.testing.assert_allclose(outputs["log_probability"], log_probabilities, rtol=1e-4, atol=1e-4)
    sure = [one.confidence for one in expected]
    assert sure[1] == 1.0 and min(sure) < 0.5 and len(set(sure)) == 6
    np.testing.assert_allclose(outputs["confidence"], sure, rtol=1e-4)
    assert outputs["target_tokens"].tolist() == [len(one.tokens) for one in expected]
    # Bytes are tokens here, and 30 are read at most.
    lengths = [min(30, len(line.encode())) for line in [*LINES, "caf\u00e9 \u4e16"]]
    assert outputs["source_tokens"].tolist() == lengths
    assert outputs["unknown_tokens"].tolist() == [0] * 6


def test_unknown_tokens_are_counted() -> None:
    tokenizer = keras_attn.data.CharacterTokenizer.train(["abc"])
    graph = make_translator(tokenizer).graph
    outputs = graph.translate(tf.constant(["abc", "axyb", ""]))
    assert outputs["unknown_tokens"].numpy().tolist() == [0, 2, 0]
    assert outputs["source_tokens"].numpy().tolist() == [3, 4, 0]


def test_the_n_best_are_those_of_a_search_for_all(translator, signatures) -> None:
    outputs = run(signatures, "n_best", text=LINES)
    assert outputs["translations"].shape == outputs["scores"].shape == (5, 4)
    search = BeamSearch(num_beams=4, num_hypotheses=4)
    several = make_translator(ByteTokenizer(), decoding=search)
    for one, row, scores in zip(
        several.translate_detailed(LINES), outputs["translations"], outputs["scores"], strict=True
    ):
        expected = [one, *one.alternatives]
        assert texts(row)[: len(expected)] == [each.text for each in expected]
        np.testing.assert_allclose(
            scores[: len(expected)], [each.score for each in expected], rtol=1e-4, atol=1e-4
        )
    best = run(signatures, "serving_default", text=LINES)
    assert texts(outputs["translations"][:, 0]) == texts(best["translation"])


def test_scores_are_those_of_forced_decoding(translator, signatures) -> None:
    targets = ["Guten Morgen.", "", "Where?", "", "so lang"]
    outputs = run(signatures, "score", text=LINES, target=targets)
    expected = translator.score(LINES, targets)
    np.testing.assert_allclose(outputs["log_probability"], expected, rtol=1e-4)
    assert outputs["log_probability"][1] == 0.0
    outputs = run(signatures, "score", text=["", "a"], target=["x", "y"])
    assert outputs["log_probability"][0] == -np.inf and np.isfinite(outputs["log_probability"][1])


def test_attention_is_that_of_each_line_alone_and_0_beyond_it(translator, signatures) -> None:
    outputs = run(signatures, "attention", text=LINES)
    for i, one in enumerate(translator.translate_detailed(LINES, attention=True)):
        source_length, length = outputs["source_length"][i], outputs["target_length"][i]
        assert texts(outputs["translation"])[i] == one.text
        if not LINES[i]:
            assert (source_length, length) == (0, 0) and not outputs["attention"][i].any()
            continue
        assert texts(outputs["source_pieces"][i])[:source_length] == list(one.source_tokens)
        assert texts(outputs["target_pieces"][i])[:length] == [*one.tokens, "</s>"]
        assert not b"".join(outputs["source_pieces"][i][source_length:])
        weights = outputs["attention"][i]
        assert one.attention is not None
        np.testing.assert_allclose(
            weights[:, :, :length, :source_length], one.attention, rtol=1e-4, atol=1e-6
        )
        assert not weights[:, :, length:].any() and not weights[..., source_length:].any()
        log_probabilities = outputs["token_log_probability"][i]
        assert (log_probabilities[:length] < 0).all() and not log_probabilities[length:].any()
        assert log_probabilities.sum() == pytest.approx(one.log_probability, rel=1e-4)


def test_control_characters_and_bytes_that_are_not_text_count_as_blanks(
    translator, signatures
) -> None:
    dirty = [b"a\x00b\tc", b"\xff\xfe", b"caf\xe9"]
    clean = [b"a b c", b"  ", b"caf "]
    outputs = [run(signatures, "serving_default", text=lines) for lines in (dirty, clean)]
    assert outputs[0]["translation"].tolist() == outputs[1]["translation"].tolist()
    assert translator.translate(["a\x00b\tc"]) == texts(outputs[0]["translation"][:1])


@pytest.mark.parametrize("name", SIGNATURES)
def test_a_request_beyond_the_limits_is_refused(signatures, name) -> None:
    for lines, message in (
        (["a"] * (MOST_LINES + 1), f"at most {MOST_LINES} lines"),
        (["a" * (MOST_BYTES_A_LINE + 1)], f"at most {MOST_BYTES_A_LINE} bytes"),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            run(signatures, name, **dict.fromkeys(SIGNATURES[name].inputs, lines))


def test_as_many_targets_as_lines(signatures) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="as many lines as `text`"):
        run(signatures, "score", text=["a", "b"], target=["c"])


def test_a_model_without_attention_has_the_other_signatures() -> None:
    translator = make_translator(ByteTokenizer())
    graph = translator.graph

    def refuse(inputs):
        raise NotImplementedError("no attention")

    graph._model.attention_scores = refuse
    from keras_attn.serving.signatures import signature_functions

    assert set(signature_functions(translator.graph)) == set(SIGNATURES) - {"attention"}
