"""Calibrates confidence on translations with references, and tests how well it holds on others."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from sacrebleu.metrics import CHRF

from keras_attn.evaluation.reference_streams import ReferenceStream, check_references
from keras_attn.lines.confidence import Confidence, features_of
from keras_attn.lines.translation import Translation

_BINS = 10
_LEAST_SURE = 0.2
# A weak prior that keeps weights finite if good and bad translations can be told apart perfectly.
_RIDGE = 1e-3


@dataclasses.dataclass(frozen=True)
class ConfidenceReport:
    """How far confidence can be trusted.

    Args:
        sentences: int.
        good: float. The share of good translations.
        expected_calibration_error: float. The mean difference, over all sentences, between the
            confidence of a bin and its share of good translations.
        bad_in_least_sure: float. The share of all bad translations that are among the least sure
            20%; 0.2 would be chance.
        bins: list of (float, float, int). For each tenth of confidence that has sentences: mean
            confidence, share of good translations, number of sentences. The points of a reliability
            diagram.

    Example:

    >>> ConfidenceReport(100, 0.8, 0.02, 0.6, []).good
    0.8
    """

    sentences: int
    good: float
    expected_calibration_error: float
    bad_in_least_sure: float
    bins: list[tuple[float, float, int]]

    def to_dict(self) -> dict[str, Any]:
        """Returns the report as a JSON object."""
        return dataclasses.asdict(self)


def calibrate_confidence(
    translations: Sequence[Translation],
    references: Sequence[str] | Sequence[ReferenceStream],
    good_chrf: float = 40.0,
) -> Confidence:
    """Fits the probability that a translation is good.

    Args:
        translations: sequence of `Translation`, as `Translator.translate_detailed` gives them.
        references: sequence of str, or of streams of them; see `corpus_scores`. Take text that
            the model was not trained on.
        good_chrf: float. The sentence chrF from which a translation counts as good.

    Returns:
        `Confidence`.

    Raises:
        ValueError: if all translations are good, or none is, or `good_chrf` is no chrF.

    Example:

    >>> calibrate_confidence([Translation("a", "b")], ["b"])
    Traceback (most recent call last):
    ValueError: `translations` must include both good and bad translations. Received: 1 good of 1.
    """
    if not 0 < good_chrf <= 100:
        raise ValueError(
            f"`good_chrf` must be above 0 and at most 100. Received: {good_chrf}; 40 is usual."
        )
    good = _good(translations, references, good_chrf)
    if good.all() or not good.any():
        raise ValueError(
            "`translations` must include both good and bad translations. Received: "
            f"{int(good.sum())} good of {len(good)}."
        )
    features = np.array([features_of(one) for one in translations])
    weights = _logistic_regression(features, good.astype(float))
    return Confidence(tuple(float(weight) for weight in weights), good_chrf)


def evaluate_confidence(
    confidence: Confidence,
    translations: Sequence[Translation],
    references: Sequence[str] | Sequence[ReferenceStream],
) -> ConfidenceReport:
    """Measures confidence on translations that it was not fitted on.

    Args:
        confidence: `Confidence`.
        translations: sequence of `Translation`.
        references: sequence of str, or of streams of them.

    Returns:
        `ConfidenceReport`.

    Example:

    >>> sure = Translation("a", "b c d", ("b", "c", "d"), -0.1, source_tokens=("a", "</s>"))
    >>> evaluate_confidence(Confidence((9.0, 0.0, 0.0, 0.0)), [sure], ["b c d"]).good
    1.0
    """
    good = _good(translations, references, confidence.good_chrf)
    sure = np.array([confidence.of(one) for one in translations])
    bins = []
    for bin_number in range(_BINS):
        members = np.minimum((sure * _BINS).astype(int), _BINS - 1) == bin_number
        if members.any():
            bins.append(
                (float(sure[members].mean()), float(good[members].mean()), int(members.sum()))
            )
    least_sure = np.argsort(sure, kind="stable")[: max(1, round(_LEAST_SURE * len(sure)))]
    return ConfidenceReport(
        len(sure),
        float(good.mean()),
        sum(abs(mean - share) * count for mean, share, count in bins) / len(sure),
        float((~good[least_sure]).sum() / max(1, (~good).sum())),
        bins,
    )


def _good(
    translations: Sequence[Translation],
    references: Sequence[str] | Sequence[ReferenceStream],
    good_chrf: float,
) -> np.ndarray:
    """Which translations have a sentence chrF of at least `good_chrf`."""
    streams = check_references(references, len(translations))
    metric = CHRF()
    scores = [
        metric.sentence_score(one.text, [text for text in texts if text is not None]).score
        for one, texts in zip(translations, zip(*streams, strict=True), strict=True)
    ]
    return np.array(scores) >= good_chrf


def _logistic_regression(features: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Newton's method for the maximum of the likelihood, with a weak ridge."""
    weights = np.zeros(features.shape[1])
    for _ in range(50):
        probability = 1 / (1 + np.exp(-np.clip(features @ weights, -30, 30)))
        gradient = features.T @ (good - probability) - _RIDGE * weights
        curvature = (features * (probability * (1 - probability))[:, None]).T @ features
        step = np.linalg.solve(curvature + _RIDGE * np.eye(len(weights)), gradient)
        weights = weights + step
        if np.abs(step).max() < 1e-10:
            break
    return weights
