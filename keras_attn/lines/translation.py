"""The translation of one line, and the report on all lines of a call."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclasses.dataclass(frozen=True)
class Translation:
    """One translation of one line.

    Args:
        source: str. The line as it was given.
        text: str. Its translation; empty for an empty line.
        tokens: tuple of str. The pieces of the translation, without the end token.
        log_probability: float. Natural logarithm of the probability that the model gives to these
            tokens and the end token after them.
        score: float. What the search ranks by: the log-probability after the length penalty.
        truncated: bool or None. True if the source was cut at the translator's limit, or the search
            had to end the translation at its length limit. None if unknown: a SavedModel that an
            earlier version exported does not report it.
        alternatives: tuple of Translation. The other hypotheses of the n-best list, best first.
        source_tokens: tuple of str. The pieces of the source that were read, and the end token.
        confidence: float or None. The probability that the translation is good, if the model is
            calibrated (`keras-attn calibrate`).
        attention: array, (L, H, T, S), or None. Cross-attention of every layer and head, from each
            of `tokens` and the end token to each of `source_tokens`.

    Example:
    >>> keras_attn.Translation("Hello!", "Hallo!", ("Hallo", "!"), -0.5, -0.4).text
    'Hallo!'
    """

    source: str
    text: str
    tokens: tuple[str, ...] = ()
    log_probability: float = 0.0
    score: float = 0.0
    truncated: bool | None = False
    alternatives: tuple[Translation, ...] = ()
    source_tokens: tuple[str, ...] = ()
    attention: np.ndarray | None = None
    confidence: float | None = None


@dataclasses.dataclass(frozen=True)
class TranslationReport:
    """Counts of the lines of one call of `translate` or `score`; nothing is cut silently.

    Args:
        lines: int. Lines given and returned.
        empty: int. Sources without a single token; their translation is empty.
        truncated: int or None. Lines whose translation is `truncated`, for either reason; for
            `score`, lines whose source is truncated. None if unknown.
        truncated_sources: int. Lines cut to the longest source that the translator reads.

    Example:
    >>> print(TranslationReport(lines=3, empty=1))
    3 lines, 1 empty
    """

    lines: int = 0
    empty: int = 0
    truncated: int | None = 0
    truncated_sources: int = 0

    def __str__(self) -> str:
        parts = [f"{self.lines:,} lines"]
        if self.empty:
            parts.append(f"{self.empty:,} empty")
        if self.truncated:
            reason = f"{self.truncated_sources:,} too long to be read whole"
            parts.append(f"{self.truncated:,} truncated ({reason})")
        return ", ".join(parts)
