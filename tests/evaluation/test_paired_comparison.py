"""The paired bootstrap, beside one written with NumPy and sacreBLEU's scores alone."""

from __future__ import annotations

import random

import numpy as np
import pytest
import sacrebleu

from keras_attn.evaluation import compare_translations, corpus_scores

WORDS = "the a cat dog sat ran on in old new red mat road".split()


def corpus(errors: float, seed: int, size: int = 60) -> tuple[list[str], list[str]]:
    """References, and translations in which some words are wrong."""
    references_from, wrong = random.Random(1), random.Random(seed)
    references = [" ".join(references_from.choices(WORDS, k=9)) for _ in range(size)]
    translations = [
        " ".join(wrong.choice(WORDS) if wrong.random() < errors else word for word in line.split())
        for line in references
    ]
    return references, translations


def test_scores_are_those_of_each_set() -> None:
    references, before = corpus(0.2, seed=2)
    _, after = corpus(0.3, seed=3)
    comparison = compare_translations(before, after, references)
    for translations, bleu, chrf in (
        (before, comparison.bleu.before, comparison.chrf.before),
        (after, comparison.bleu.after, comparison.chrf.after),
    ):
        scores = corpus_scores(translations, references)
        assert bleu == pytest.approx(scores.bleu) and chrf == pytest.approx(scores.chrf)
    assert comparison.changed == tuple(i for i in range(60) if before[i] != after[i])
    assert comparison.signatures["BLEU"].startswith("nrefs:1|bs:1000|seed:12345|case:mixed")


def test_the_p_value_is_that_of_a_bootstrap_by_hand() -> None:
    references, before = corpus(0.20, seed=2)
    _, after = corpus(0.23, seed=3)
    comparison = compare_translations(before, after, references)
    generator = np.random.default_rng(7)
    differences = []
    for _ in range(300):
        chosen = generator.integers(0, 60, 60)
        drawn = [
            sacrebleu.corpus_bleu([one[i] for i in chosen], [[references[i] for i in chosen]]).score
            for one in (before, after)
        ]
        differences.append(abs(drawn[0] - drawn[1]))
    found = abs(comparison.bleu.before - comparison.bleu.after)
    expected = np.mean(differences - np.mean(differences) > found)
    assert comparison.bleu.p_value == pytest.approx(expected, abs=0.06)


def test_much_worse_is_worse_and_the_reverse_is_not() -> None:
    references, before = corpus(0.1, seed=2)
    _, after = corpus(0.5, seed=3)
    assert compare_translations(before, after, references).is_worse()
    assert not compare_translations(after, before, references).is_worse()
    assert not compare_translations(before, before, references).is_worse()


def test_several_references() -> None:
    comparison = compare_translations(["a cat", "b"], ["a dog", "b"], [["a cat", "b"], ["c", None]])
    assert comparison.changed == (0,)


def test_other_numbers_of_sentences() -> None:
    with pytest.raises(ValueError, match="as many sentences as `baseline`. Received: 1 and 2"):
        compare_translations(["a", "b"], ["a"], ["a", "b"])


def test_no_difference_is_no_finding() -> None:
    references, translations = corpus(0.2, seed=2)
    comparison = compare_translations(translations, translations, references)
    assert comparison.bleu.p_value == comparison.chrf.p_value == 1.0 and not comparison.changed
