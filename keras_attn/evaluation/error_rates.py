"""Error rates: how many lines, tokens and characters are wrong."""

import dataclasses
from collections.abc import Callable, Sequence

from rapidfuzz.distance import Levenshtein

from keras_attn.evaluation.reference_streams import (
    ReferenceStream,
    check_references,
    check_sentences,
)


@dataclasses.dataclass(frozen=True)
class ErrorRates:
    """Shares of a corpus that are wrong, in percent; lower is better.

    The same names mean different things in different fields:

    | here | grapheme to phoneme | speech recognition |
    |---|---|---|
    | `line_error_rate` | word error rate (WER), a line being a word | sentence error rate |
    | `token_error_rate` | phone error rate (PER) | word error rate (WER) |
    | `character_error_rate` | | character error rate (CER) |

    Attributes:
        line_error_rate: float. Lines that differ from all their references.
        token_error_rate: float. Insertions, deletions and substitutions of tokens (the words
            between blanks), divided by the number of reference tokens. It can exceed 100.
        character_error_rate: float. The same for characters.

    Example:

    >>> error_rates(["a b c", "a d"], ["a b c", "a c"]).line_error_rate
    50.0
    """

    line_error_rate: float
    token_error_rate: float
    character_error_rate: float


def error_rates(
    hypotheses: Sequence[str], references: Sequence[ReferenceStream] | Sequence[str]
) -> ErrorRates:
    """Counts wrong lines, and the edits that turn hypotheses into references (Levenshtein, 1966).

    Blanks count only as separators of tokens: each run of them is one blank, and those at the ends
    are left out. Of several references, the one that needs the fewest edits counts.

    Args:
        hypotheses: Sequence of str. One line per sentence.
        references: Sequence of reference streams, or a flat sequence of str, as in
            `corpus_scores`.

    Returns:
        `ErrorRates`.

    Raises:
        ValueError: If there is no sentence, or the numbers of hypotheses and references differ.

    Example:

    >>> rates = error_rates(["k æ t", "d ɒ g z"], ["k æ t", "d ɒ g"])   # one insertion, 6 phones
    >>> round(rates.line_error_rate, 1), round(rates.token_error_rate, 1)
    (50.0, 16.7)
    """
    hypotheses = check_sentences("hypotheses", hypotheses)
    streams = check_references(references, len(hypotheses))
    tokens = [hypothesis.split() for hypothesis in hypotheses]
    groups = [
        [text.split() for text in group if text is not None] for group in zip(*streams, strict=True)
    ]
    wrong = sum(line not in group for line, group in zip(tokens, groups, strict=True))
    return ErrorRates(
        line_error_rate=100.0 * wrong / len(tokens),
        token_error_rate=_edit_rate(tokens, groups, list),
        character_error_rate=_edit_rate(tokens, groups, " ".join),
    )


def _edit_rate(
    lines: list[list[str]],
    groups: list[list[list[str]]],
    as_units: Callable[[list[str]], Sequence[str]],
) -> float:
    """Edits of units, in percent of the units of the references."""
    total_edits = total_units = 0
    for line, group in zip(lines, groups, strict=True):
        edits, units = min(
            (Levenshtein.distance(as_units(line), as_units(one)), len(as_units(one)))
            for one in group
        )
        total_edits, total_units = total_edits + edits, total_units + units
    return 100.0 * total_edits / max(total_units, 1)
