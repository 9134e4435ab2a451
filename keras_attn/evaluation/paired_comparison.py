"""Whether one set of translations is worse than another, or only different by chance."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, cast

from sacrebleu.metrics import CHRF
from sacrebleu.significance import PairedTest

from keras_attn.evaluation.bleu_tokenizer import find_bleu_tokenizer, make_bleu
from keras_attn.evaluation.reference_streams import (
    ReferenceStream,
    check_references,
    check_sentences,
)

_SAMPLES = 1000


@dataclasses.dataclass(frozen=True)
class ScoreChange:
    """One score of both sets of translations.

    Args:
        before: float. Of the baseline.
        after: float. Of the new translations.
        p_value: float. How often a difference this large occurs by chance, by paired bootstrap.

    Example:

    >>> ScoreChange(40.0, 37.0, 0.001).is_worse()
    True
    """

    before: float
    after: float
    p_value: float

    def is_worse(self, significance: float = 0.05) -> bool:
        """Whether the score is lower, and not by chance."""
        return self.after < self.before and self.p_value < significance


@dataclasses.dataclass(frozen=True)
class PairedComparison:
    """New translations compared with those of a baseline.

    Args:
        bleu: `ScoreChange`.
        chrf: `ScoreChange`.
        changed: tuple of int. The indices of the sentences whose translation differs.
        signatures: dict of str to str. sacreBLEU's signature of each score.

    Example:

    >>> compare_translations(["the cat"], ["the cat"], ["the cat"]).changed
    ()
    """

    bleu: ScoreChange
    chrf: ScoreChange
    changed: tuple[int, ...]
    signatures: dict[str, str]

    def is_worse(self, significance: float = 0.05) -> bool:
        """Whether BLEU or chrF is lower, and not by chance.

        Args:
            significance: float. The largest p-value that counts.
        """
        return any(one.is_worse(significance) for one in (self.bleu, self.chrf))

    def to_dict(self) -> dict[str, Any]:
        """Returns the comparison as a JSON object."""
        return dataclasses.asdict(self)


def compare_translations(
    baseline: Sequence[str],
    translations: Sequence[str],
    references: Sequence[str] | Sequence[ReferenceStream],
    tokenizer: str = "13a",
) -> PairedComparison:
    """Compares translations of the same sentences by sacreBLEU's paired bootstrap.

    1,000 corpora are drawn from the sentences (Koehn, 2004). The p-value is the share of them in
    which the size of the difference exceeds its mean by more than the difference that was found.

    Args:
        baseline: sequence of str. Translations that were accepted before.
        translations: sequence of str. New ones of the same sentences.
        references: sequence of str, or of streams of them; see `corpus_scores`.
        tokenizer: str. BLEU's tokenizer.

    Returns:
        `PairedComparison`.

    Raises:
        ValueError: if the numbers of sentences differ.

    Example:

    >>> comparison = compare_translations(["a cat sat"] * 9, ["a dog sat"] * 9, ["a cat sat"] * 9)
    >>> comparison.chrf.after < comparison.chrf.before, len(comparison.changed)
    (True, 9)
    """
    baseline = check_sentences("baseline", baseline)
    translations = check_sentences("translations", translations)
    if len(baseline) != len(translations):
        raise ValueError(
            "`translations` must have as many sentences as `baseline`. Received: "
            f"{len(translations)} and {len(baseline)}."
        )
    streams = check_references(references, len(baseline))
    metrics = {"bleu": make_bleu(find_bleu_tokenizer(tokenizer)), "chrf": CHRF()}
    systems: list[tuple[str, Sequence[str]]] = [("baseline", baseline), ("new", translations)]
    # sacreBLEU accepts None for a missing reference, but its annotation does not say so.
    annotated = cast(list[list[str]], streams)
    signatures, scores = PairedTest(systems, metrics, annotated, "bs", _SAMPLES)()
    changes = {
        name: _change(before, after)
        for name, (before, after) in cast(dict[str, Any], scores).items()
        if name != "System"
    }
    return PairedComparison(
        changes["BLEU"],
        changes["chrF2"],
        tuple(i for i in range(len(baseline)) if baseline[i] != translations[i]),
        {name: str(signature) for name, signature in signatures.items()},
    )


def _change(before: Any, after: Any) -> ScoreChange:
    # sacreBLEU counts larger differences only: without any difference, it would find p = 0.001.
    p_value = 1.0 if before.score == after.score else float(after.p_value)
    return ScoreChange(float(before.score), float(after.score), p_value)
