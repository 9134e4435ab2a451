"""Corpus scores: BLEU, chrF and TER by sacreBLEU, with signatures (Section 6.1); error rates."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from sacrebleu.metrics import CHRF, TER

from keras_attn.evaluation.bleu_tokenizer import find_bleu_tokenizer, make_bleu, score_notes
from keras_attn.evaluation.error_rates import ErrorRates, error_rates
from keras_attn.evaluation.reference_streams import (
    ReferenceStream,
    check_references,
    check_sentences,
)
from keras_attn.evaluation.tokenized_bleu import BleuKind, tokenized_bleu_kinds

_PRECISE_DIGITS = 12
_PAPERS_KINDS = {
    "bleu_tokenized": "tokenized",
    "bleu_tokenized_lowercase": "tokenized, lower-cased",
    "bleu_compound_split": "tokenized, compounds split",
}


@dataclasses.dataclass(frozen=True)
class CorpusScores:
    """The scores of a corpus, with all that is needed to compare them with other work.

    Attributes:
        bleu: float. BLEU in 0..100, higher is better.
        chrf: float. chrF2 in 0..100, higher is better.
        ter: float. Translation edit rate in percent, lower is better; can exceed 100.
        signatures: dict of str to str. sacreBLEU's signature of each score.
        errors: `ErrorRates`. Of lines, tokens and characters, in percent.
        sentences: int. Number of sentences scored.
        references: int. Largest number of references of one sentence.
        empty_hypotheses: int. Sentences whose hypothesis is empty or blank. They are scored.
        empty_references: int. Sentences whose references are all empty or blank. They are scored.
        bleu_precisions: tuple of float. The modified n-gram precisions in percent, n = 1..4.
        brevity_penalty: float. BLEU's factor for hypotheses shorter than the references.
        length_ratio: float. Tokens of the hypotheses divided by tokens of the references.
        bleu_tokenized: float or None. BLEU of text that Moses' scripts have tokenized; see
            `tokenized_bleu_kinds` for this and the next two. They are not comparable with `bleu`.
        bleu_tokenized_lowercase: float or None. The same for lower-cased text, as papers on
            Multi30k report it.
        bleu_compound_split: float or None. The same with compounds split at their hyphens, as
            Vaswani et al. (2017) report WMT 2014 English-German.
        confidence: dict or None. For each score `mean`, `half_width`, `low` and `high` of the 95%
            interval by bootstrap resampling.
        notes: tuple of str. Notes for readers of the scores, one sentence each.

    Example:

    >>> scores = corpus_scores(["the cat sat on the mat"], ["the cat sat on the mat"])
    >>> scores.lines()[1]
    'chrF2 = 100.0  nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:...'
    """

    bleu: float
    chrf: float
    ter: float
    signatures: dict[str, str]
    errors: ErrorRates
    sentences: int
    references: int = 1
    empty_hypotheses: int = 0
    empty_references: int = 0
    bleu_precisions: tuple[float, ...] = ()
    brevity_penalty: float = 1.0
    length_ratio: float = 1.0
    bleu_tokenized: float | None = None
    bleu_tokenized_lowercase: float | None = None
    bleu_compound_split: float | None = None
    confidence: dict[str, dict[str, float]] | None = None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Returns the scores, unrounded, as a dictionary that `json.dumps` takes.

        Returns:
            dict. One entry per attribute, and one per error rate; tuples are lists.

        Example:

        >>> corpus_scores(["a b c d"], ["a b c d"]).to_dict()["sentences"]
        1
        """
        values = dataclasses.asdict(self)
        values |= values.pop("errors")
        values["bleu_precisions"] = list(self.bleu_precisions)
        values["notes"] = list(self.notes)
        return values

    def lines(self) -> list[str]:
        """Returns one readable line per score, rounded to one decimal as sacreBLEU prints it.

        Returns:
            List of str: name, value, details and signature, then counts and notes.

        Example:

        >>> corpus_scores(["a b c d e"], ["a b c d e"]).lines()[2][:9]
        'TER = 0.0'
        """
        precisions = "/".join(f"{precision:.1f}" for precision in self.bleu_precisions)
        details = f" {precisions} (BP = {self.brevity_penalty:.3f} ratio = {self.length_ratio:.3f})"
        lines = [
            self._line("BLEU", "bleu", details),
            self._line("chrF2", "chrf"),
            self._line("TER", "ter"),
        ]
        for name, label in _PAPERS_KINDS.items():
            if getattr(self, name) is not None:
                lines.append(self._line(f"BLEU {label}", name, " (NOT comparable with BLEU)"))
        lines.append(
            f"errors = {self.errors.line_error_rate:.1f}% of lines, "
            f"{self.errors.token_error_rate:.1f}% of tokens, "
            f"{self.errors.character_error_rate:.1f}% of characters"
        )
        plural = "1 reference" if self.references == 1 else f"up to {self.references} references"
        lines.append(f"sentences: {self.sentences} with {plural} each")
        if self.empty_hypotheses:
            lines.append(f"empty hypotheses: {self.empty_hypotheses}")
        if self.empty_references:
            lines.append(f"sentences with empty references only: {self.empty_references}")
        return [*lines, *(f"note: {note}" for note in self.notes)]

    def _line(self, label: str, name: str, details: str = "") -> str:
        value = f"{getattr(self, name):.1f}"
        if self.confidence is not None and name in self.confidence:
            interval = self.confidence[name]
            value += f" (95%: {interval['mean']:.1f} ± {interval['half_width']:.1f})"
        return f"{label} = {value}{details}  {self.signatures[name]}"


def corpus_scores(
    hypotheses: Sequence[str],
    references: Sequence[ReferenceStream] | Sequence[str],
    *,
    tokenized: bool = False,
    confidence: bool = False,
    num_bootstrap_samples: int = 1000,
    bleu_tokenizer: str | None = None,
    target_language: str = "",
) -> CorpusScores:
    """Scores translations against one or several references by BLEU, chrF, TER and error rates.

    sacreBLEU computes the first three with its default settings on detokenized text, so they equal
    what its command line prints for the same lines (and the same `--tokenize`). There is one
    difference: with several streams, an empty line in one of them means that the sentence has fewer
    references, whereas the command line would count an empty reference.

    Args:
        hypotheses: Sequence of str. One detokenized translation per sentence.
        references: Sequence of reference streams, each as long as `hypotheses`; None or "" if a
            sentence has fewer references. A flat sequence of str is one stream. For one list of
            references per sentence, call `streams_from_groups` first.
        tokenized: bool. Whether to also compute the kinds of BLEU of tokenized text that papers
            report (`tokenized_bleu_kinds`). Needs the extra `moses`.
        confidence: bool. Whether to estimate 95% intervals by sacreBLEU's bootstrap resampling. Its
            seed is 12345 unless the environment variable SACREBLEU_SEED sets another.
        num_bootstrap_samples: int. Number of resampled corpora, at least 2.
        bleu_tokenizer: str or None. sacreBLEU's tokenizer for BLEU, its `--tokenize`: "13a" for
            most languages, "zh", "ja-mecab", "ko-mecab", "char", "intl", "none", "flores200" ...
            None for the default of `target_language`.
        target_language: str. The code of the language of the references, such as "de"; "" if
            unknown. `default_bleu_tokenizer` chooses the tokenizer by it: "13a" for "".

    Returns:
        `CorpusScores`.

    Raises:
        ValueError: If there is no sentence, the numbers of hypotheses and references differ, an
            entry is not a string, a sentence has no reference, or an option is not valid.

    Example:

    >>> scores = corpus_scores(
    ...     ["the cat sat on the mat"],
    ...     [["the cat sat on the mat"], ["a cat was sitting on the mat"]],
    ... )
    >>> round(scores.bleu, 6), scores.ter, scores.references
    (100.0, 0.0, 2)
    """
    hypotheses = check_sentences("hypotheses", hypotheses)
    streams = check_references(references, len(hypotheses))
    tokenizer = check_score_options(
        num_bootstrap_samples=num_bootstrap_samples,
        bleu_tokenizer=bleu_tokenizer,
        target_language=target_language,
    )
    kinds = tokenized_bleu_kinds(target_language) if tokenized else {}
    results, signatures = _measure(
        hypotheses, streams, tokenizer, kinds, num_bootstrap_samples if confidence else 1
    )
    intervals = None
    if confidence:
        intervals = {name: _interval(results[name], signatures[name]) for name in results}
    bleu = results["bleu"]
    return CorpusScores(
        bleu=float(bleu.score),
        chrf=float(results["chrf"].score),
        ter=float(results["ter"].score),
        signatures=signatures,
        errors=error_rates(hypotheses, streams),
        sentences=len(hypotheses),
        references=max(sum(text is not None for text in row) for row in zip(*streams, strict=True)),
        empty_hypotheses=sum(not text.strip() for text in hypotheses),
        empty_references=sum(
            not any(text and text.strip() for text in row) for row in zip(*streams, strict=True)
        ),
        bleu_precisions=tuple(float(precision) for precision in bleu.precisions),
        brevity_penalty=float(bleu.bp),
        length_ratio=float(bleu.ratio),
        **{name: float(results[name].score) for name in kinds},
        confidence=intervals,
        notes=tuple(score_notes((text for one in streams for text in one if text), tokenizer)),
    )


class _OneType:
    """Gives all scores of resampled corpora the same type.

    sacreBLEU computes them as `np.float32`, except for a few constants, such as 0.0 if nothing
    matches. `statistics.mean`, which it calls, refuses a mixture of two types.
    """

    def _compute_score_from_stats(self, stats: Any) -> Any:
        result = super()._compute_score_from_stats(stats)  # type: ignore[misc]
        if isinstance(stats, np.ndarray):  # of a resampled corpus
            result.score = stats.dtype.type(result.score)
        return result


class _Chrf(_OneType, CHRF):
    pass


class _Ter(_OneType, TER):
    pass


def _measure(
    hypotheses: list[str],
    streams: list[list[str | None]],
    bleu_tokenizer: str,
    kinds: Mapping[str, BleuKind],
    num_samples: int,
) -> tuple[dict[str, Any], dict[str, str]]:
    """sacreBLEU's results and their signatures, by the name of their field."""
    metrics = {"bleu": make_bleu(bleu_tokenizer), "chrf": _Chrf(), "ter": _Ter()}
    results, signatures = {}, {}
    for name, metric in metrics.items():
        # sacreBLEU accepts None for a missing reference, but its annotation does not say so.
        annotated = cast(list[list[str]], streams)
        results[name] = metric.corpus_score(hypotheses, annotated, n_bootstrap=num_samples)
        signatures[name] = str(metric.get_signature())
    for name, kind in kinds.items():
        texts = kind.texts(hypotheses, streams)
        results[name] = kind.metric.corpus_score(*texts, n_bootstrap=num_samples)
        signatures[name] = kind.signature()
    return results, signatures


def check_score_options(
    *,
    tokenized: bool = False,
    confidence: bool = False,
    num_bootstrap_samples: int = 1000,
    bleu_tokenizer: str | None = None,
    target_language: str = "",
) -> str:
    """Checks the options of `corpus_scores`, so that a mistake is found before any work is done.

    Args:
        tokenized: bool.
        confidence: bool.
        num_bootstrap_samples: int.
        bleu_tokenizer: str or None.
        target_language: str.

    Returns:
        str. The tokenizer of BLEU.

    Raises:
        ValueError: if an option is not valid.

    Example:

    >>> check_score_options(target_language="th")
    'char'
    """
    if num_bootstrap_samples < 2:
        raise ValueError(
            "`num_bootstrap_samples` must be at least 2; 1000 is usual. Received: "
            f"{num_bootstrap_samples}."
        )
    if tokenized:
        tokenized_bleu_kinds(target_language)
    return find_bleu_tokenizer(bleu_tokenizer, target_language)


def _interval(result: Any, signature: str) -> dict[str, float]:
    """Reads mean and half width from sacreBLEU's JSON, which is the only public way."""
    record = json.loads(result.format(width=_PRECISE_DIGITS, is_json=True, signature=signature))
    # sacreBLEU leaves them out if the mean is 0. Scores are never negative, so all were 0.
    mean = float(record.get("confidence_mean", 0.0))
    half_width = float(record.get("confidence_var", 0.0))
    return {
        "mean": mean,
        "half_width": half_width,
        "low": mean - half_width,
        "high": mean + half_width,
    }
