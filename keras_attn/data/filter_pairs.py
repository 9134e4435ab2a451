"""Finds the pairs that cannot be trained on: those without text, and those that are too long."""

from collections.abc import Sequence

import numpy as np

from keras_attn.data.corpus import Corpus, CorpusError
from keras_attn.data.filter_report import FilterReport
from keras_attn.data.token_sequences import TokenSequences


def filter_pairs(
    corpus: Corpus,
    sources: TokenSequences,
    targets: TokenSequences,
    max_source_tokens: int,
    max_target_tokens: int,
) -> tuple[np.ndarray, FilterReport]:
    """Finds the pairs to train on, and counts the other pairs by reason.

    Args:
        corpus: `Corpus`. The pairs.
        sources: `TokenSequences`. The token ids of its sources, including the end token.
        targets: `TokenSequences`. The token ids of its targets, including the end token.
        max_source_tokens: int. The most tokens of a source, not counting its end token.
        max_target_tokens: int. The most tokens of a target, not counting its end token.

    Returns:
        `(indices, report)`: the indices of the kept pairs, an ascending integer array, and a
            `FilterReport`.

    Raises:
        CorpusError: no pair is left.

    Example:

    >>> from keras_attn.data import ByteTokenizer
    >>> corpus = Corpus(["a", " ", "abcde"], ["x", "y", "z"])
    >>> sources = TokenSequences.encode(corpus.sources, ByteTokenizer())
    >>> targets = TokenSequences.encode(corpus.targets, ByteTokenizer())
    >>> indices, report = filter_pairs(corpus, sources, targets, 4, 4)
    >>> indices.tolist(), report.empty_source, report.source_too_long
    ([0], 1, 1)
    """
    reasons = {
        "empty_source": _is_empty(corpus.sources, sources),
        "empty_target": _is_empty(corpus.targets, targets),
        "source_too_long": sources.lengths - 1 > max_source_tokens,
        "target_too_long": targets.lengths - 1 > max_target_tokens,
    }
    left = np.ones(len(corpus), dtype=bool)
    counts = {}
    for reason, applies in reasons.items():
        counts[reason] = int(np.count_nonzero(left & applies))
        left &= ~applies
    report = FilterReport(
        pairs_read=len(corpus),
        kept=int(np.count_nonzero(left)),
        max_source_tokens=max_source_tokens,
        max_target_tokens=max_target_tokens,
        **counts,
    )
    if not report.kept:
        raise CorpusError(
            f"`corpus` {corpus.name!r} must hold at least one pair to train on. "
            f"Received: {report}. {_advice(report)}"
        )
    return np.flatnonzero(left), report


def _is_empty(texts: Sequence[str], sequences: TokenSequences) -> np.ndarray:
    # A text of blanks is empty, even if it has tokens. A text of odd characters may have no tokens.
    blank = [not text or text.isspace() for text in texts]
    return np.array(blank, dtype=bool) | (sequences.lengths <= 1)


def _advice(report: FilterReport) -> str:
    if report.source_too_long and report.target_too_long:
        return "Raise `max_source_tokens` and `max_target_tokens`, or split the segments."
    if report.source_too_long:
        return "Raise `max_source_tokens`, or split the segments."
    if report.target_too_long:
        return "Raise `max_target_tokens`, or split the segments."
    return "Check that the files hold text."
