"""Evaluation translates once, scores what came out, and tells what happened on the way."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace

import pytest

from keras_attn.data.corpus import Corpus, group_references
from keras_attn.evaluation import corpus_scores, evaluate

GERMAN = {
    "a dog runs in the park": "ein Hund läuft im Park",
    "two cats sleep": "zwei Katzen schlafen",
    "": "",
}


class DictionaryTranslator:
    """Translates by table, keeps a report as `Translator` does, and remembers its calls."""

    def __init__(self, truncated: int = 0, seconds: float = 0.0) -> None:
        self.calls: list[list[str]] = []
        self.truncated = truncated
        self.seconds = seconds
        self.report: SimpleNamespace | None = None

    def translate(self, texts: list[str]) -> list[str]:
        self.calls.append(list(texts))
        time.sleep(self.seconds)
        self.report = SimpleNamespace(lines=len(texts), empty=0, truncated=self.truncated)
        return [GERMAN[text] for text in texts]


def test_the_report_holds_scores_translations_and_counts() -> None:
    translator = DictionaryTranslator(truncated=2, seconds=0.05)
    references = ["ein Hund rennt im Park", "zwei Katzen schlafen tief", "leer"]
    report = evaluate(translator, list(GERMAN), references, tokenized=True)
    assert translator.calls == [list(GERMAN)]
    assert report.translations == tuple(GERMAN.values())
    expected = corpus_scores(list(GERMAN.values()), references, tokenized=True)
    assert report.scores == expected
    assert (report.truncated, report.empty) == (2, 1)
    assert 0.05 <= report.seconds < 5
    assert report.sentences_per_second == pytest.approx(3 / report.seconds)


def test_the_report_can_be_written_and_read() -> None:
    report = evaluate(DictionaryTranslator(truncated=1), list(GERMAN), list(GERMAN.values()))
    values = json.loads(json.dumps(report.to_dict()))
    assert values["bleu"] == report.scores.bleu
    assert values["translations"] == list(GERMAN.values())
    assert values["truncated"] == 1
    assert "translations" not in report.to_dict(translations=False)
    lines = report.lines()
    assert lines[: len(report.scores.lines())] == report.scores.lines()
    assert "truncated sentences: 1" in lines and "empty source sentences: 1" in lines


def test_a_translator_without_a_report_is_enough() -> None:
    class Echo:
        def translate(self, texts: list[str]) -> list[str]:
            return texts

    report = evaluate(Echo(), ("eins zwei drei vier", "fünf"), [("eins zwei drei vier", "fünf")])
    assert report.truncated is None
    assert report.scores.bleu == pytest.approx(100)


def test_repeated_sources_are_translated_once_and_compared_with_all_references() -> None:
    corpus = Corpus(
        ["two cats sleep", "a dog runs in the park", "two cats sleep"],
        ["da schlafen zwei Katzen", "ein Hund läuft im Park", "zwei Katzen schlafen"],
        name="test",
    )
    sources, references = group_references(corpus)
    translator = DictionaryTranslator()
    report = evaluate(translator, sources, references)
    assert translator.calls == [["two cats sleep", "a dog runs in the park"]]
    assert report.scores.references == 2
    assert report.scores.bleu == pytest.approx(100)


def test_bad_texts_are_found_before_translating() -> None:
    translator = DictionaryTranslator()
    with pytest.raises(ValueError, match="1 sentences and 2 references"):
        evaluate(translator, ["two cats sleep"], ["a", "b"])
    with pytest.raises(ValueError, match="`sources` must hold at least one sentence"):
        evaluate(translator, [], [])
    with pytest.raises(ValueError, match="`sources` must hold strings only"):
        evaluate(translator, [7], ["a"])  # type: ignore[list-item]
    assert translator.calls == []


def test_a_lost_translation_is_an_error() -> None:
    class Loser:
        def translate(self, texts: list[str]) -> list[str]:
            return texts[:-1]

    with pytest.raises(ValueError, match="2 translations of 3 sources"):
        evaluate(Loser(), ["a", "b", "c"], ["a", "b", "c"])
