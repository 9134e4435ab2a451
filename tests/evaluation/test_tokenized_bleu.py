"""The kinds of BLEU that papers report, against the formula and against text tokenized by hand."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from keras_attn.evaluation import MosesTokenizer, corpus_scores

HYPOTHESES = [
    "„Der E-Mail-Dienst ist da“, sagte Dr. Müller heute früh.",
    "Ein grau-grüner Hund läuft schnell durch den Park.",
    "Zwei Männer sitzen auf einer Bank.",
]
REFERENCES = [
    '"Der E-Mail-Dienst ist nun da", sagte Dr. Müller heute früh.',
    "Ein grau-grüner hund läuft durch den großen Park.",
    "Zwei Männer sitzen auf der Bank.",
]
# By hand, as the scripts of Moses split German: "Dr." is an abbreviation and keeps its full stop.
TOKENS = {
    HYPOTHESES[0]: '" Der E-Mail-Dienst ist da " , sagte Dr. Müller heute früh .',
    HYPOTHESES[1]: "Ein grau-grüner Hund läuft schnell durch den Park .",
    HYPOTHESES[2]: "Zwei Männer sitzen auf einer Bank .",
    REFERENCES[0]: '" Der E-Mail-Dienst ist nun da " , sagte Dr. Müller heute früh .',
    REFERENCES[1]: "Ein grau-grüner hund läuft durch den großen Park .",
    REFERENCES[2]: "Zwei Männer sitzen auf der Bank .",
}


def formula(hypotheses: list[str], references: list[str]) -> float:
    """Papineni et al. (2002), Section 2.3: one reference, four orders, no smoothing."""
    matches, totals = [0] * 4, [0] * 4
    hypothesis_length = reference_length = 0
    for hypothesis, reference in zip(hypotheses, references, strict=True):
        words, others = hypothesis.split(), reference.split()
        hypothesis_length += len(words)
        reference_length += len(others)
        for n in range(1, 5):
            counts, allowed = (
                Counter(tuple(one[i : i + n]) for i in range(len(one) - n + 1))
                for one in (words, others)
            )
            matches[n - 1] += sum((counts & allowed).values())
            totals[n - 1] += sum(counts.values())
    brevity = min(1.0, math.exp(1 - reference_length / hypothesis_length))
    logs = [math.log(match / total) for match, total in zip(matches, totals, strict=True)]
    return 100 * brevity * math.exp(sum(logs) / 4)


def by_hand(texts: list[str], *, lowercase: bool = False, split: bool = False) -> list[str]:
    lines = [TOKENS[text] for text in texts]
    if lowercase:
        lines = [line.lower() for line in lines]
    if split:
        for compound in ("E-Mail-Dienst", "grau-grüner"):
            parts = compound.replace("-", " ##AT##-##AT## ")
            lines = [line.replace(compound, parts) for line in lines]
    return lines


@pytest.mark.parametrize("text", TOKENS)
def test_text_is_split_as_by_hand(text: str) -> None:
    assert MosesTokenizer("de_DE")(text) == TOKENS[text]


def test_each_kind_is_the_formula_on_tokens_made_by_hand() -> None:
    scores = corpus_scores(HYPOTHESES, REFERENCES, tokenized=True, target_language="de")
    kinds = {
        "bleu_tokenized": {},
        "bleu_tokenized_lowercase": {"lowercase": True},
        "bleu_compound_split": {"split": True},
    }
    values = []
    for name, changes in kinds.items():
        expected = formula(by_hand(HYPOTHESES, **changes), by_hand(REFERENCES, **changes))
        assert getattr(scores, name) == pytest.approx(expected, abs=1e-9), name
        values.append(expected)
    assert len({round(value, 2) for value in [*values, scores.bleu]}) == 4  # none hides another
    text = "\n".join(scores.lines())
    assert text.count("NOT comparable") == 3
    assert "case:lc|eff:no|tok:moses-de-sacremoses-" in text and "-compounds|smooth:none" in text


def test_several_references_and_intervals() -> None:
    streams = [REFERENCES, [None, HYPOTHESES[1], None]]
    scores = corpus_scores(
        HYPOTHESES, streams, tokenized=True, confidence=True, num_bootstrap_samples=20
    )
    one = corpus_scores(HYPOTHESES, REFERENCES, tokenized=True)
    assert scores.bleu_tokenized is not None and one.bleu_tokenized is not None
    assert scores.bleu_tokenized > one.bleu_tokenized
    assert scores.confidence is not None and "bleu_compound_split" in scores.confidence
    assert corpus_scores(HYPOTHESES, REFERENCES).bleu_tokenized is None


def test_a_missing_package_is_named_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sacremoses", None)
    with pytest.raises(ImportError, match=r"sacremoses.*pip install \"keras_attn\[moses\]\""):
        corpus_scores(["a"], ["a"], tokenized=True)
