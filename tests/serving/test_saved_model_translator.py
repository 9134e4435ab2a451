"""A SavedModel on the command line is run by its signature, in batches, in order."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from keras_attn.cli.main import main
from keras_attn.evaluation import evaluate
from keras_attn.serving.saved_model_translator import BATCH_LINES, SavedModelTranslator


class Upper(tf.Module):
    """A "translation" that says what it was given, and a score that says how long it was."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def serve(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        tf.debugging.assert_less_equal(tf.size(text), BATCH_LINES)
        lengths = tf.cast(tf.strings.length(text), tf.float32)
        return {"translation": tf.strings.upper(text), "score": -lengths}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def serve_and_tell(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        return {**self.serve(text), "truncated": tf.strings.length(text) > 3}


@pytest.fixture(scope="module")
def version_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SavedModel with the signature of `export`."""
    directory = tmp_path_factory.mktemp("saved_models") / "1"
    module = Upper()
    signatures = {"serving_default": module.serve.get_concrete_function()}
    tf.saved_model.save(module, str(directory), signatures=signatures)
    return directory


def test_lines_keep_their_order_over_batches(version_directory: Path) -> None:
    texts = [f"line {number} " + "x" * (number * 7 % 13) for number in range(BATCH_LINES + 9)]
    model = SavedModelTranslator(version_directory)
    assert model.translate(texts) == [text.upper() for text in texts]
    scores = [translation.score for translation in model.translate_detailed(texts)]
    assert scores == [-float(len(text)) for text in texts]
    assert model.translate([]) == []


@pytest.mark.parametrize("texts", ["one line", [b"bytes"], ["half \ud800"]])
def test_texts_are_lines_as_for_a_translator(version_directory: Path, texts) -> None:
    with pytest.raises(ValueError, match="`texts` must"):
        SavedModelTranslator(version_directory).translate(texts)


def test_translate_takes_a_saved_model(
    version_directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"ab\n\ncde")))
    assert main(["translate", str(version_directory), "--scores"]) == 0
    expected = b"-2.000000\tAB\n0.000000\t\n-3.000000\tCDE"
    assert capfdbinary.readouterr().out.replace(b"-0.0", b"0.0") == expected


def test_what_an_export_tells_of_truncation_is_counted(
    version_directory: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    module, telling = Upper(), tmp_path / "2"
    signatures = {"serving_default": module.serve_and_tell.get_concrete_function()}
    tf.saved_model.save(module, str(telling), signatures=signatures)
    texts = ["a long line", "abc", "", "defg"]
    model = SavedModelTranslator(telling)
    found = [translation.truncated for translation in model.translate_detailed(texts)]
    assert found == [True, False, False, True]
    assert (model.report.lines, model.report.empty, model.report.truncated) == (4, 1, 2)
    assert evaluate(model, texts, texts).truncated == 2
    earlier = SavedModelTranslator(version_directory)
    assert [one.truncated for one in earlier.translate_detailed(texts)] == [None] * 4
    report = evaluate(earlier, texts, texts)
    assert report.truncated is None
    assert "truncated sentences: unknown" in "\n".join(report.lines())
    said = []
    for directory in (telling, version_directory):
        capfd.readouterr()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("\n".join(texts).encode())))
        assert main(["translate", str(directory)]) == 0
        said.append(capfd.readouterr().err)
    assert said[0] == "4 lines: 1 empty, 2 truncated\n"
    assert said[1].splitlines()[0] == "4 lines: 1 empty"
    assert said[1].splitlines()[1].startswith("truncated: unknown")


def test_another_signature_is_refused(tmp_path: Path) -> None:
    module = Upper()
    signatures = {"other": module.serve.get_concrete_function()}
    tf.saved_model.save(module, str(tmp_path), signatures=signatures)
    with pytest.raises(ValueError, match="serving_default"):
        SavedModelTranslator(tmp_path)


def test_a_line_that_is_longer_than_a_signature_takes_is_cut_and_counted(version_1: Path) -> None:
    model = SavedModelTranslator(version_1)
    usual, long = model.translate_detailed(["a line", "ä" * 40_000])
    assert long.truncated
    assert usual.text == model.translate(["a line"])[0]
