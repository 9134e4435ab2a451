"""The monitored features of lines: how each is computed, and the bins of its histogram."""

from __future__ import annotations

import bisect
import dataclasses
from collections.abc import Callable

from keras_attn.serving.monitoring.line_facts import LineFacts


@dataclasses.dataclass(frozen=True)
class Feature:
    """A number about each line.

    Args:
        description: str. For the operator.
        edges: tuple of float. Bin i holds the values from edge i-1 up to but excluding edge i.
        value: function of `LineFacts`, or None for a line without this number.
    """

    description: str
    edges: tuple[float, ...]
    value: Callable[[LineFacts], float | None]

    def bin(self, value: float) -> int:
        """The bin of a value, from 0 to the number of edges."""
        return bisect.bisect_right(self.edges, value)


def _steps(first: float, last: float, count: int) -> tuple[float, ...]:
    return tuple(first + (last - first) * i / (count - 1) for i in range(count))


def _per(count: float, of: float) -> float | None:
    return count / of if of else None


FEATURES: dict[str, Feature] = {
    "source_tokens": Feature(
        "tokens of a line",
        (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 20, 24, 32, 48, 64, 96, 128),
        lambda line: line.source_tokens,
    ),
    "characters_per_token": Feature(
        "characters per token: falls for words that the vocabulary cuts into small pieces",
        _steps(1.0, 6.0, 26),
        lambda line: _per(line.characters, line.source_tokens),
    ),
    "unknown_share": Feature(
        "share of tokens that the vocabulary does not have",
        (1e-9, 0.02, 0.05, 0.1, 0.2, 0.5),
        lambda line: _per(line.unknown_tokens, line.source_tokens),
    ),
    "capitals": Feature(
        "share of letters that are capitals",
        (1e-9, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5, 0.8),
        lambda line: line.capitals,
    ),
    "not_ascii": Feature(
        "share of characters that are not ASCII",
        (1e-9, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
        lambda line: line.not_ascii,
    ),
    "log_probability_per_token": Feature(
        "log-probability per token of the translation, end token included: how sure the model was",
        _steps(-3.0, 0.0, 31),
        lambda line: (
            line.log_probability / max(1, line.target_tokens + 1) if line.source_tokens else None
        ),
    ),
    "length_ratio": Feature(
        "tokens of the translation per token of the line",
        _steps(0.4, 2.0, 17),
        lambda line: _per(line.target_tokens, line.source_tokens),
    ),
    "truncated": Feature(
        "share of lines that a limit truncated", (0.5,), lambda line: float(line.truncated)
    ),
    "faults": Feature(
        "share of translations with a visible fault (loops, lost numbers, copies, ...)",
        (0.5,),
        lambda line: float(bool(line.faults)),
    ),
}
