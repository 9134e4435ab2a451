"""The best hypothesis of a sentence, with the others as its alternatives."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from keras_attn.lines.confidence import Confidence
from keras_attn.lines.translation import Translation


def best_translation(
    source: str, hypotheses: Sequence[Translation], confidence: Confidence | None
) -> Translation:
    """Combines the hypotheses of a search into one translation.

    Args:
        source: str. The line, for the message.
        hypotheses: sequence of `Translation`, best first.
        confidence: `Confidence`, or None for a model that is not calibrated.

    Returns:
        `Translation`.

    Raises:
        ValueError: if the search found none, because the model's logits are NaN.

    Example:

    >>> first, second = Translation("a", "A"), Translation("a", "AA")
    >>> best_translation("a", [first, second], None).alternatives[0].text
    'AA'
    """
    if not hypotheses:
        raise ValueError(
            "The logits of the model are NaN, so it cannot translate. Received: "
            f"{source[:60]!r}. Use an earlier checkpoint."
        )
    if confidence is not None:
        hypotheses = [dataclasses.replace(one, confidence=confidence.of(one)) for one in hypotheses]
    return dataclasses.replace(hypotheses[0], alternatives=tuple(hypotheses[1:]))
