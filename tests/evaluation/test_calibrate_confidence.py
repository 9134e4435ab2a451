"""Confidence: calibrated where the truth is known, and the fit beside one by gradient descent."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
import tensorflow as tf

from keras_attn.evaluation import calibrate_confidence, evaluate_confidence
from keras_attn.evaluation.calibrate_confidence import _logistic_regression
from keras_attn.lines.confidence import features_of
from keras_attn.translator import Confidence, Translation
from keras_attn.translator.graph_confidence import graph_confidence

TRUE = (3.5, 4.0, 0.2, -1.0)


def corpus(count: int, seed: int) -> tuple[list[Translation], list[str]]:
    """Translations that are good with the probability that `TRUE` gives."""
    generator = random.Random(seed)
    translations, references = [], []
    for _ in range(count):
        written, read = generator.randint(1, 20), generator.randint(2, 20)
        one = Translation(
            "source",
            "this is the text",
            ("x",) * written,
            -(written + 1) * abs(generator.gauss(0.5, 0.4)),
            source_tokens=("y",) * read,
        )
        good = generator.random() < Confidence(TRUE).of(one)
        translations.append(one)
        references.append("this is the text" if good else "zzzz qqqq vvvv")
    return translations, references


def test_confidence_is_calibrated_on_other_translations() -> None:
    confidence = calibrate_confidence(*corpus(4000, seed=1))
    np.testing.assert_allclose(confidence.weights, TRUE, atol=0.5)
    translations, references = corpus(4000, seed=2)
    report = evaluate_confidence(confidence, translations, references)
    assert report.expected_calibration_error < 0.03 and report.bad_in_least_sure > 0.4
    assert sum(count for _, _, count in report.bins) == report.sentences == 4000
    assert report.good == np.mean([one == "this is the text" for one in references])
    # One that does not look at the translation is as sure of each: 20% hold 20%.
    blind = Confidence((math.log(report.good / (1 - report.good)), 0.0, 0.0, 0.0))
    assert evaluate_confidence(blind, translations, references).bad_in_least_sure < 0.25


def test_wrong_confidence_has_a_large_error() -> None:
    translations, references = corpus(1000, seed=3)
    report = evaluate_confidence(Confidence((9.0, 0.0, 0.0, 0.0)), translations, references)
    expected = 1 / (1 + math.exp(-9)) - report.good
    assert report.expected_calibration_error == pytest.approx(expected)


def test_the_fit_is_the_maximum_of_the_likelihood() -> None:
    generator = np.random.default_rng(1)
    features = np.concatenate([np.ones((300, 1)), generator.normal(size=(300, 2))], axis=1)
    truth = 1 / (1 + np.exp(-features @ np.array([0.5, 1.0, -2.0])))
    good = (generator.random(300) < truth).astype(float)
    weights = np.zeros(3)
    for _ in range(20_000):  # plain gradient ascent
        weights += 0.003 * features.T @ (good - 1 / (1 + np.exp(-features @ weights)))
    np.testing.assert_allclose(_logistic_regression(features, good), weights, atol=1e-3)


def test_separable_translations_give_finite_weights() -> None:
    features = np.array([[1.0, -1.0], [1.0, 1.0]])
    assert np.isfinite(_logistic_regression(features, np.array([0.0, 1.0]))).all()


def test_any_of_several_references_makes_a_translation_good() -> None:
    one = Translation("a", "the text", ("x",), -0.5, source_tokens=("y",))
    confidence = Confidence((0.0, 0.0, 0.0, 0.0))
    streams = [["zzzz"], ["the text"]]
    assert evaluate_confidence(confidence, [one], streams).good == 1.0


def test_features_by_hand() -> None:
    one = Translation("a", "b", ("x", "y", "z"), -2.0, source_tokens=("p", "q"))
    assert features_of(one) == (1.0, -0.5, math.log(4), math.log(2))


def test_an_empty_line_is_sure() -> None:
    assert Confidence(TRUE).of(Translation(" ", "")) == 1.0


def test_a_graph_says_the_same() -> None:
    generator = random.Random(3)
    confidence, translations = Confidence(TRUE), []
    for read, written in ((0, 0), (1, 0), (3, 7), (40, 2), (9, 9)):
        tokens, sources = ("t",) * written, ("s",) * read + ("</s>",)
        value = 0.0 if not read else -generator.uniform(0, 3) * (written + 1)
        translations.append(Translation("x", "y", tokens, value, source_tokens=sources))
    in_graph = graph_confidence(
        confidence,
        tf.constant([one.log_probability for one in translations]),
        tf.constant([len(one.source_tokens) - 1 for one in translations]),
        tf.constant([len(one.tokens) for one in translations]),
    )
    expected = [confidence.of(one) for one in translations]
    assert expected[0] == 1.0 and len(set(expected)) == 5
    np.testing.assert_allclose(in_graph, expected, rtol=1e-5)


def test_it_is_written_and_read(tmp_path) -> None:
    confidence = Confidence(TRUE, 50.0)
    path = confidence.save(tmp_path)
    assert Confidence.find(tmp_path) == confidence
    for content in ("{", "[]", '{"format": 1, "weights": [1], "good_chrf": 40}'):
        path.write_text(content)
        with pytest.raises(ValueError, match="is damaged"):
            Confidence.find(tmp_path)
    path.unlink()
    assert Confidence.find(tmp_path) is None


@pytest.mark.parametrize("good_chrf", [0, 100.1, float("nan")])
def test_a_limit_that_is_no_chrf_is_refused(good_chrf) -> None:
    translations, references = corpus(9, seed=1)
    with pytest.raises(ValueError, match="`good_chrf` must be above 0 and at most 100"):
        calibrate_confidence(translations, references, good_chrf)
