"""A translator in anyone's pipeline: lines in, translations out, one model a process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.ml.inference.base import KeyedModelHandler, RunInference
from apache_beam.testing.util import assert_that, equal_to

import keras_attn
from keras_attn.bulk import TranslatorModelHandler
from keras_attn.bulk.translator_model_handler import write_archive
from keras_attn.translator import Translator

LINES = ["one", "", "twenty-two", "größer"]


def pipeline() -> Any:
    """A pipeline in this process."""
    options = beam.options.pipeline_options.PipelineOptions(["--runner=FnApiRunner"])
    return beam.Pipeline(options=options)


def test_lines_with_and_without_keys_become_translations(
    translator_directory: Path, translator: Translator
) -> None:
    handler = TranslatorModelHandler(translator_directory)
    wanted = list(zip(LINES, translator.translate(LINES), strict=True))
    with pipeline() as steps:
        lines = steps | beam.Create(LINES)
        plain = lines | RunInference(handler) | beam.Map(lambda each: (each.source, each.text))
        keyed = (
            lines
            | "Key" >> beam.Map(lambda line: (f"key of {line}", line))
            | "Keyed" >> RunInference(KeyedModelHandler(handler))
            | "Text" >> beam.MapTuple(lambda key, each: (key, each.text))
        )
        assert_that(plain, equal_to(wanted))
        with_keys = [(f"key of {line}", text) for line, text in wanted]
        assert_that(keyed, equal_to(with_keys), label="keyed")


def test_batches_are_as_large_as_was_said(
    translator_directory: Path, translator: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []

    class Counting:
        def translate_detailed(self, texts: list[str]) -> list[keras_attn.Translation]:
            sizes.append(len(texts))
            return [keras_attn.Translation(text, text) for text in texts]

    monkeypatch.setattr(TranslatorModelHandler, "load_model", lambda self: Counting())
    with pipeline() as steps:
        _ = (
            steps
            | beam.Create(map(str, range(17)), reshuffle=False)
            | RunInference(TranslatorModelHandler(translator_directory, batch_lines=5))
        )
    assert sorted(sizes) == [2, 5, 5, 5]


def test_an_archive_loads_as_the_directory_does(
    translator_directory: Path, translator: Translator, tmp_path: Path
) -> None:
    write_archive(translator_directory, str(tmp_path / "translator.zip"))
    handler = TranslatorModelHandler(tmp_path / "translator.zip", num_beams=3)
    model = handler.load_model()
    assert repr(model.decoding) == repr(keras_attn.decoding.BeamSearch(num_beams=3))
    assert model.max_source_tokens == 20
    model.decoding = translator.decoding
    assert model.translate(LINES) == translator.translate(LINES)


@pytest.mark.parametrize(("saved", "used"), [("auto", True), (True, True), (False, False)])
def test_bundles_do_not_decide_what_is_compiled(
    saved: bool | str, used: bool, translator: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Translator, "load", lambda directory, num_beams: translator)
    monkeypatch.setattr(translator, "jit_compile", saved)
    assert TranslatorModelHandler("anywhere").load_model().jit_compile is used


def test_a_model_for_all_processes_is_asked_through_its_proxy(
    translator_directory: Path, translator: Translator
) -> None:
    handler = TranslatorModelHandler(translator_directory, share_across_processes=True)
    assert handler.share_model_across_processes()
    assert not TranslatorModelHandler(translator_directory).share_model_across_processes()
    with pipeline() as steps:
        texts = (
            steps
            | beam.Create(LINES)
            | RunInference(handler)
            | beam.Map(lambda translation: translation.text)
        )
        assert_that(texts, equal_to(translator.translate(LINES)))


@pytest.mark.parametrize("argument", ["num_beams", "batch_lines"])
@pytest.mark.parametrize("value", [0, True, 2.0, "2"])
def test_a_number_that_is_none_is_refused(argument: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"`{argument}` must be an integer of at least 1"):
        TranslatorModelHandler("anywhere", **{argument: value})
