"""`keras-attn ensemble`: the translator that it writes, and what it refuses before it writes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import keras_attn
from keras_attn.cli.main import main
from keras_attn.data import ByteTokenizer, CharacterTokenizer
from keras_attn.training import Recipe

LINES = ["Hi!", "", "Good day"]


def save_other(directory: Path, tokenizer: keras_attn.data.Tokenizer) -> Path:
    """Saves a recurrent translator that knows nothing."""
    model = keras_attn.create_model(
        "rnn_tiny",
        source_vocabulary_size=tokenizer.vocabulary_size,
        hidden_dim=12,
        num_layers=1,
    )
    keras_attn.Translator(model, tokenizer, max_extra_tokens=9).save(directory)
    return directory


@pytest.fixture(name="other", scope="module")
def of_another_kind(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A translator that fits the first."""
    return save_other(tmp_path_factory.mktemp("other") / "translator", ByteTokenizer())


def test_it_writes_a_translator_of_the_models_with_the_settings_of_the_first(
    run_directory: Path, other: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Recipe.named("phrasebook_tiny").to_toml(run_directory / "recipe.toml")
    command = ["ensemble", str(run_directory), str(other), "--output"]
    assert main([*command, str(tmp_path / "out"), "--json"]) == 0
    found = keras_attn.Translator.load(tmp_path / "out")
    members = [keras_attn.Translator.load(path) for path in (run_directory / "translator", other)]
    expected = keras_attn.translator.make_ensemble(members)
    assert found.translate(LINES) == expected.translate(LINES)
    assert found.score(LINES, LINES) == pytest.approx(expected.score(LINES, LINES), abs=1e-4)
    assert (type(found.decoding).__name__, found.max_extra_tokens) == ("GreedySearch", 3)
    values = json.loads(capsys.readouterr().out)
    assert values["parameters"] == sum(one.model.count_params() for one in members)
    assert values["models"] == [str(run_directory), str(other)]
    assert Recipe.from_run(tmp_path / "out").data == Recipe.from_run(run_directory).data

    assert main([*command, str(tmp_path / "small"), "--weights", "float16"]) == 0
    assert f"translator: {tmp_path / 'small'}, with" in capsys.readouterr().out
    half = keras_attn.Translator.load(tmp_path / "small")
    for weight, rounded in zip(found.model.weights, half.model.weights, strict=True):
        np.testing.assert_array_equal(rounded, np.float16(weight))


def test_models_that_do_not_go_together_are_refused_and_nothing_is_written(
    run_directory: Path, other: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    letters = save_other(tmp_path / "letters", CharacterTokenizer.train(["abc"]))
    link = tmp_path / "link"
    link.symlink_to(other)
    for paths, words in (
        ([run_directory], f"`RUN` must be given twice or more. Received: {run_directory} alone."),
        ([other, link], f"`RUN` must be different models. Received: {other}, {link}."),
        ([run_directory, tmp_path / "no"], "`RUN` must exist."),
        ([run_directory, letters], "the source tokenizer of translator 2 differs from that of the"),
    ):
        arguments = [str(path) for path in paths]
        assert main(["ensemble", *arguments, "--output", str(tmp_path / "out")]) == 2
        captured = capsys.readouterr()
        assert words in captured.err and captured.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_it_replaces_nothing(
    run_directory: Path, other: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    before = (other / "translator.json").read_bytes()
    for output in (other, run_directory, file):
        arguments = [str(run_directory), str(other), "--output", str(output)]
        assert main(["ensemble", *arguments]) == 2
        error = capsys.readouterr().err
        assert "`--output` must be a new or an empty directory. Received" in error
    assert (other / "translator.json").read_bytes() == before
    assert file.read_text() == "mine"
