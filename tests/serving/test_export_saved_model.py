"""An export says what the translator says, and appears whole or not at all."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

import keras_attn
from keras_attn.data import ByteTokenizer, SentencePieceTokenizer
from keras_attn.serving import ExportError, export_saved_model
from keras_attn.serving.signatures import SIGNATURES

from .conftest import make_translator

LINES = ["Good morning, everybody.", "", "Wo ist der Bahnhof?", "x", "far too long a line " * 9]


class CompiledTranslator(keras_attn.Translator):
    """Compiles its search: what a stock server cannot run."""

    def translate_tensor(self, texts):
        return tf.function(super().translate_tensor, jit_compile=True, autograph=False)(texts)


class CrowdTranslator(keras_attn.Translator):
    """Lets the number of lines in a batch change every translation."""

    def translate_tensor(self, texts):
        outputs = super().translate_tensor(texts)
        mates = tf.strings.as_string(tf.shape(texts)[0])
        return {**outputs, "translation": outputs["translation"] + mates}


class BrokenTranslator(keras_attn.Translator):
    """Cannot be traced."""

    def translate_tensor(self, texts):
        raise RuntimeError("no such layer")


def contents(directory: Path) -> dict[str, str]:
    """A checksum of every file below a directory."""
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in directory.rglob("*")
        if path.is_file()
    }


def meta_graph_of(version: Path):
    content = (version / "saved_model.pb").read_bytes()
    (meta_graph,) = saved_model_pb2.SavedModel.FromString(content).meta_graphs
    return meta_graph


def test_the_graph_holds_no_xla_and_no_function_but_the_signatures(version_1) -> None:
    library = meta_graph_of(version_1).graph_def.library.function
    nodes = [node for function in library for node in function.node_def]
    assert nodes
    assert not [node.op for node in nodes if "Xla" in node.op or "PyFunc" in node.op]
    assert not [one for one in [*library, *nodes] if "_XlaMustCompile" in one.attr]
    at_loading = ("_creator", "_initializer", "_destroyer", "_pruned")
    names = [one.signature.name for one in library if "inference" in one.signature.name]
    entries = [name for name in names if not any(part in name for part in at_loading)]
    assert len([name for name in entries if "traced_save" in name or "restore" in name]) == 2
    # Save and restore, each signature and the wrapper around it, and the search that three share.
    assert len(entries) == 2 + 2 * len(SIGNATURES) + 1


def test_the_record_beside_the_model_tells_where_it_comes_from(translator, version_1) -> None:
    record = json.loads((version_1 / "assets.extra/keras_attn.json").read_text(encoding="utf-8"))
    assert record["keras_attn_version"] == keras_attn.__version__
    assert record["tensorflow_version"] == tf.__version__
    assert record["decoding"]["class_name"] == "BeamSearch"
    assert record["decoding"]["config"]["num_beams"] == 4
    sources = [one["source"] for one in record["verification"]]
    assert 8 <= len(sources) <= 16
    assert "" in sources and max(map(len, sources)) > 1000
    assert [one["translation"] for one in record["verification"]] == translator.translate(sources)


@pytest.mark.slow
def test_versions_count_up_old_ones_stay_and_a_failed_export_leaves_nothing(tmp_path) -> None:
    corpus = ["the dog sees the cat", "a cat sees the dog in the garden", "dogs and cats"] * 5
    tokenizer = SentencePieceTokenizer.train(corpus, vocabulary_size=290)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "3").mkdir()
    (tmp_path / "3" / "saved_model.pb").write_text("an old one")
    texts = ["the cat sees a dog", "Zebras \u4e16?", ""]
    before = contents(tmp_path)

    version = export_saved_model(make_translator(tokenizer), tmp_path, verification_texts=texts)
    assert version == tmp_path / "4"
    record = json.loads((version / "assets.extra/keras_attn.json").read_text(encoding="utf-8"))
    assert [one["source"] for one in record["verification"]] == texts
    after = contents(tmp_path)
    assert {name: after[name] for name in before} == before

    for refused, message in [(CompiledTranslator, "XLA"), (BrokenTranslator, "no such layer")]:
        with pytest.raises(ExportError, match=message):
            export_saved_model(make_translator(tokenizer, refused), tmp_path)
        assert contents(tmp_path) == after
        assert sorted(path.name for path in tmp_path.iterdir()) == ["3", "4", "notes.txt"]


@pytest.mark.slow
def test_an_export_whose_batch_mates_change_translations_is_refused(tmp_path) -> None:
    translator = make_translator(ByteTokenizer(), CrowdTranslator)
    with pytest.raises(ExportError, match="batch") as caught:
        export_saved_model(translator, tmp_path / "new" / "model", ["Good morning!", "Hi!"])
    assert {check.name for check in caught.value.report.failures} == {
        "all lines in one batch",
        "a batch filled up",
        "lines one by one",
        "8 requests at once",
        "translate_with_stats",
    }
    assert list(tmp_path.iterdir()) == []  # the directories that it made are gone, too


def test_sampling_is_refused(tmp_path) -> None:
    translator = make_translator(ByteTokenizer(), decoding="sampling")
    with pytest.raises(ValueError, match="must not sample.*RandomSampling"):
        export_saved_model(translator, tmp_path)


@pytest.mark.parametrize("texts", ["one line", [], [1, 2], ["a"] * 1025, ["é" * 32_769]])
def test_verification_texts_must_be_lines(translator, tmp_path, texts) -> None:
    with pytest.raises(ValueError, match="`verification_texts`.*Received"):
        export_saved_model(translator, tmp_path, verification_texts=texts)


@pytest.mark.parametrize("texts", ["one line", [], [1, 2], ["\ud800"]])
def test_reference_texts_are_checked_before_any_work(
    translator, tmp_path, texts, monkeypatch
) -> None:
    module = sys.modules["keras_attn.serving.export_saved_model"]
    monkeypatch.setattr(module, "describe_translator", None)  # the first work
    with pytest.raises(ValueError, match="`reference_texts` must.*Received"):
        export_saved_model(translator, tmp_path, reference_texts=texts)
    assert not any(tmp_path.iterdir())


def test_a_version_or_a_file_is_no_place_for_versions(translator, version_1, tmp_path) -> None:
    (tmp_path / "file").write_text("mine")
    for name in ("run.json", "translator.json"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text("{}")
    runs = (tmp_path / "run.json", tmp_path / "translator.json")
    for place in (version_1, tmp_path / "12", tmp_path / "file", *runs):
        with pytest.raises(ValueError, match="`directory` must be a model's directory.*Received"):
            export_saved_model(translator, place)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [
        "file",
        "run.json",
        "translator.json",
    ]
