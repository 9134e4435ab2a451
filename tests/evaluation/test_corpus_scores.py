"""Corpus scores equal those of sacreBLEU's own command line, and bad input is named."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sacrebleu.metrics import BLEU, CHRF, TER

from keras_attn.evaluation import CorpusScores, corpus_scores

HYPOTHESES = [
    "Zwei Hunde rennen durch den Park.",
    "Eine Frau liest das Buch am Fenster",
    "Drei Kinder spielen Fußball auf einer Straße.",
    "Ein alter Mann wartet.",
    "Die Katze schläft auf dem grünen Sofa und träumt.",
    "Der Zug fährt um 8:15 Uhr ab, nicht wahr?",
    "Ein Mädchen springt.",
]
REFERENCES = [
    "Zwei Hunde laufen durch den Park.",
    "Eine Frau liest ein Buch am Fenster.",
    "Drei Kinder spielen auf der Straße Fußball.",
    "Ein alter Mann wartet auf den Bus.",
    "Die Katze schläft auf dem Sofa.",
    "Der Zug fährt um 8:15 Uhr ab, oder?",
    "Ein Mädchen springt in die Luft.",
]
SECOND_REFERENCES = [
    "Zwei Hunde rennen im Park umher.",
    "Am Fenster liest eine Frau das Buch.",
    "Auf einer Straße spielen drei Kinder Fußball.",
    "Ein alter Mann wartet.",
    "Eine Katze schläft und träumt auf dem grünen Sofa.",
    "Nicht wahr, der Zug fährt um 8:15 Uhr ab?",
    "Ein Mädchen hüpft.",
]


def command_line_scores(
    directory: Path, hypotheses: list[str], streams: list[list[str]], *options: str
) -> dict[str, dict[str, Any]]:
    """What `python -m sacrebleu` prints for the same lines, by metric name."""
    paths = []
    for number, lines in enumerate([hypotheses, *streams]):
        paths.append(directory / f"lines_{number}.txt")
        paths[-1].write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    command = [sys.executable, "-m", "sacrebleu", *map(str, paths[1:]), "-i", str(paths[0])]
    command += ["-m", "bleu", "chrf", "ter", "--width", "9", *options]
    process = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return {record["name"]: record for record in json.loads(process.stdout)}


def assert_equal_to_command_line(scores: CorpusScores, printed: dict[str, dict[str, Any]]) -> None:
    assert scores.bleu == pytest.approx(printed["BLEU"]["score"], abs=1e-8)
    assert scores.chrf == pytest.approx(printed["chrF2"]["score"], abs=1e-8)
    assert scores.ter == pytest.approx(printed["TER"]["score"], abs=1e-8)
    for name, printed_name in (("bleu", "BLEU"), ("chrf", "chrF2"), ("ter", "TER")):
        assert scores.signatures[name] == printed[printed_name]["signature"]


def test_scores_and_signatures_equal_the_command_line(tmp_path: Path) -> None:
    scores = corpus_scores(HYPOTHESES, [REFERENCES])
    printed = command_line_scores(tmp_path, HYPOTHESES, [REFERENCES])
    assert_equal_to_command_line(scores, printed)
    assert "tok:13a" in scores.signatures["bleu"] and "nrefs:1" in scores.signatures["bleu"]
    verbose = scores.lines()[0].split("  ")[0].split(" = ", 1)[1].split(" ", 1)[1]
    assert printed["BLEU"]["verbose_score"].startswith(verbose.removesuffix(")"))


def test_scores_with_two_references_equal_the_command_line(tmp_path: Path) -> None:
    streams = [REFERENCES, SECOND_REFERENCES]
    scores = corpus_scores(HYPOTHESES, streams)
    assert_equal_to_command_line(scores, command_line_scores(tmp_path, HYPOTHESES, streams))
    assert scores.references == 2
    assert scores.bleu > corpus_scores(HYPOTHESES, REFERENCES).bleu


def test_intervals_equal_the_command_line(tmp_path: Path) -> None:
    scores = corpus_scores(HYPOTHESES, REFERENCES, confidence=True, num_bootstrap_samples=150)
    options = ("--confidence", "--confidence-n", "150")
    printed = command_line_scores(tmp_path, HYPOTHESES, [REFERENCES], *options)
    assert_equal_to_command_line(scores, printed)
    assert scores.confidence is not None
    for name, printed_name in (("bleu", "BLEU"), ("chrf", "chrF2"), ("ter", "TER")):
        interval = scores.confidence[name]
        mean, half_width = interval["mean"], interval["half_width"]
        assert mean == pytest.approx(printed[printed_name]["confidence_mean"], abs=1e-8)
        assert half_width == pytest.approx(printed[printed_name]["confidence_var"], abs=1e-8)
        assert interval["low"] == mean - half_width and interval["high"] == mean + half_width
        assert half_width > 0
        assert "bs:150|seed:" in scores.signatures[name]
    assert f"(95%: {scores.confidence['bleu']['mean']:.1f} ± " in scores.lines()[0]


def test_intervals_of_a_few_sentences_are_those_of_the_resampled_scores() -> None:
    references = ["Zwei Hunde rennen.", "Ein Mann schläft.", "Das ist gut.", "Wo ist er?"]
    hypotheses = [*references[:2], "", ""]  # some resampled corpora match nothing
    found = corpus_scores(hypotheses, references, confidence=True, num_bootstrap_samples=80)
    assert found.confidence is not None
    rows = np.random.default_rng(12345).choice(4, size=(80, 4))  # as sacreBLEU draws them
    for name, metric in (("bleu", BLEU()), ("chrf", CHRF()), ("ter", TER())):
        scores = sorted(
            metric.corpus_score([hypotheses[i] for i in row], [[references[i] for i in row]]).score
            for row in rows
        )
        interval = found.confidence[name]
        assert interval["mean"] == pytest.approx(np.mean(scores), rel=1e-5)
        assert interval["half_width"] == pytest.approx((scores[77] - scores[2]) / 2, rel=1e-5)


def test_identical_text_is_perfect() -> None:
    scores = corpus_scores(REFERENCES, REFERENCES, confidence=True, num_bootstrap_samples=20)
    assert scores.bleu == pytest.approx(100)
    assert scores.chrf == pytest.approx(100)
    assert scores.ter == 0
    assert scores.brevity_penalty == 1 and scores.length_ratio == 1
    assert scores.confidence is not None
    assert scores.confidence["ter"] == {"mean": 0, "half_width": 0, "low": 0, "high": 0}


def test_text_without_a_common_character_scores_nothing() -> None:
    scores = corpus_scores(["aaa bbb ccc ddd", "eee fff"], ["www xxx yyy zzz", "uuu vvv"])
    assert scores.bleu == 0
    assert scores.chrf == 0
    assert scores.ter == pytest.approx(100)  # six substitutions in six words


def test_bleu_equals_the_formula_by_hand() -> None:
    # Tokens 5 of 6, bigrams 3 of 5, trigrams 1 of 4, four-grams 0 of 3 smoothed to 1/2 of 3.
    scores = corpus_scores(["a b c x e f"], ["a b c d e f g"])
    precisions = [5 / 6, 3 / 5, 1 / 4, 1 / (2 * 3)]
    assert scores.bleu_precisions == pytest.approx([100 * value for value in precisions])
    assert scores.brevity_penalty == pytest.approx(math.exp(1 - 7 / 6))
    assert scores.length_ratio == pytest.approx(6 / 7)
    expected = 100 * math.exp(1 - 7 / 6) * math.prod(precisions) ** 0.25
    assert scores.bleu == pytest.approx(expected)
    assert scores.ter == pytest.approx(100 * 2 / 7)  # one substitution, one insertion


@pytest.mark.parametrize("missing", [None, ""])
def test_a_missing_reference_changes_nothing(missing: str | None) -> None:
    second: list[str | None] = list(SECOND_REFERENCES)
    second[2] = second[6] = missing
    scores = corpus_scores(HYPOTHESES, [REFERENCES, second])
    # The same reference given twice is the same as giving it once: n-gram maxima and lengths stay.
    doubled = [text or REFERENCES[index] for index, text in enumerate(second)]
    expected = corpus_scores(HYPOTHESES, [REFERENCES, doubled])
    assert scores.bleu == pytest.approx(expected.bleu)
    assert scores.chrf == pytest.approx(expected.chrf)
    assert "nrefs:var" in scores.signatures["bleu"]
    assert scores.references == 2 and scores.empty_references == 0


def test_a_missing_first_reference_is_no_reference_of_length_zero() -> None:
    scores = corpus_scores(["ja", "a b c d"], [["", "a b c d"], ["ja doch gewiss", "a b c d"]])
    # 5 tokens in the hypotheses against 3 + 4 in the references.
    assert scores.length_ratio == pytest.approx(5 / 7)


def test_empty_lines_are_scored_as_by_the_command_line_and_counted(tmp_path: Path) -> None:
    hypotheses = ["", *HYPOTHESES[1:]]
    references = [*REFERENCES[:3], "", *REFERENCES[4:]]
    scores = corpus_scores(hypotheses, references)
    printed = command_line_scores(tmp_path, hypotheses, [references])
    assert_equal_to_command_line(scores, printed)
    assert (scores.empty_hypotheses, scores.empty_references) == (1, 1)
    assert "empty hypotheses: 1" in scores.lines()
    assert "sentences with empty references only: 1" in scores.lines()


def test_another_tokenizer_stands_in_the_signature() -> None:
    scores = corpus_scores(["你好世界"], ["你好世界"], bleu_tokenizer="zh")
    assert scores.bleu == pytest.approx(100)
    assert "tok:zh" in scores.signatures["bleu"]


def test_the_dictionary_survives_json_and_holds_unrounded_scores() -> None:
    scores = corpus_scores(HYPOTHESES, REFERENCES, confidence=True, num_bootstrap_samples=30)
    values = scores.to_dict()
    assert json.loads(json.dumps(values)) == values
    assert values["bleu"] == scores.bleu
    assert values["sentences"] == len(HYPOTHESES)
    assert set(values["signatures"]) == set(values["confidence"]) == {"bleu", "chrf", "ter"}


def test_readable_lines_round_as_the_command_line(tmp_path: Path) -> None:
    scores = corpus_scores(HYPOTHESES, REFERENCES)
    printed = command_line_scores(tmp_path, HYPOTHESES, [REFERENCES], "--width", "1")
    for line, name in zip(scores.lines(), ("BLEU", "chrF2", "TER"), strict=False):
        assert line.startswith(f"{name} = {printed[name]['score']:.1f}")
        assert line.endswith(printed[name]["signature"])


@pytest.mark.parametrize(
    ("hypotheses", "references", "message"),
    [
        (["a", "b"], ["a"], "2 sentences and 1 references"),
        (["a", "b"], [["a", "b"], ["a", "b", "c"]], "streams of 2, 3 references.*streams_from_gr"),
        (["a"], [["a", "b"]] * 9, "9 streams of 2 to 2"),
        ([], [], "`hypotheses` must hold at least one sentence"),
        (["a"], [], "`references` must hold at least one reference stream"),
        ("a", ["a"], "`hypotheses` must be a list of str. Received: str, 'a'; put it in a list"),
        (["a"], "a", "`references` must be a list of reference streams"),
        (["a", None], ["a", "b"], "`hypotheses` must hold strings only.*None.*index 1"),
        ([b"a"], ["a"], "decode it as UTF-8"),
        (["a"], [[3]], r"`references\[0\]` must hold strings only.*3"),
        (["a", "b"], [["a", None], ["c", None]], "at least one reference for every.*index 1"),
        (["a", "b"], ["a", ["b"]], "not a mixture.*str at index 0"),
    ],
)
def test_bad_texts_are_named(hypotheses: Any, references: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        corpus_scores(hypotheses, references)
    assert "Received: " in str(caught.value) and "\n" not in str(caught.value)


def test_bad_options_are_named() -> None:
    with pytest.raises(ValueError, match="num_bootstrap_samples.*Received: 1"):
        corpus_scores(["a"], ["a"], confidence=True, num_bootstrap_samples=1)
    with pytest.raises(ValueError, match="`bleu_tokenizer`.*'13b'. Nearest names: 13a"):
        corpus_scores(["a"], ["a"], bleu_tokenizer="13b")


def test_the_arguments_are_left_as_they_were() -> None:
    second: list[str | None] = ["", *SECOND_REFERENCES[1:]]
    streams = [list(REFERENCES), second]
    corpus_scores(HYPOTHESES, streams)
    assert streams[0] == REFERENCES and second[0] == ""
