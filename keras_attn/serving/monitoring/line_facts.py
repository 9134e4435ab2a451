"""The facts that a monitor keeps about a translated line: numbers, and text only on request."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from typing import Any

from keras_attn.evaluation import translation_faults
from keras_attn.serving.monitoring.redact import redact


@dataclasses.dataclass(frozen=True)
class LineFacts:
    """Numbers about one line and its translation. The text cannot be recovered from the numbers.

    Args:
        time: float. Seconds since 1970.
        version: int or None. The version that answered, if it is known.
        seconds: float or None. How long the request of the line took.
        characters: int. Of the line.
        capitals: float. The share of its letters that are capitals.
        not_ascii: float. The share of its characters that are not ASCII.
        source_tokens: int.
        target_tokens: int.
        unknown_tokens: int. Source tokens that the vocabulary does not have.
        log_probability: float. Of the whole translation.
        truncated: bool. Whether a limit truncated the line or its translation.
        faults: tuple of str. `keras_attn.evaluation.translation_faults`.
        text: tuple of two str, or None. The line and its translation, after `redact`, if the log
            keeps text.

    Example:

    >>> LineFacts(0.0, 1, 0.2, 6, 0.1, 0.0, 2, 3, 0, -0.5, False).to_dict()["source_tokens"]
    2
    """

    time: float
    version: int | None
    seconds: float | None
    characters: int
    capitals: float
    not_ascii: float
    source_tokens: int
    target_tokens: int
    unknown_tokens: int
    log_probability: float
    truncated: bool
    faults: tuple[str, ...] = ()
    text: tuple[str, str] | None = None

    def to_dict(self) -> dict[str, Any]:
        """A JSON object."""
        record = {**dataclasses.asdict(self), "faults": list(self.faults)}
        if self.text is None:
            del record["text"]
        return record

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> LineFacts:
        """Reads what `to_dict` wrote.

        Args:
            record: mapping.

        Returns:
            `LineFacts`.

        Raises:
            ValueError: if it is something else.
        """
        try:
            text = record.get("text")
            if text is not None:
                source, translation = map(str, text)
                text = (source, translation)
            facts = cls(**{**record, "faults": tuple(record["faults"]), "text": text})
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"Not the facts of a line: {error}") from error
        for name, value in dataclasses.asdict(facts).items():
            is_known = name in ("faults", "text") or (
                value is None and name in ("version", "seconds")
            )
            if not is_known and not isinstance(value, int | float):
                raise ValueError(f"Not the facts of a line: {name} is {value!r}")
        return facts


def describe_line(
    source: str,
    row: Mapping[str, Any],
    version: int | None = None,
    seconds: float | None = None,
    keep_text: bool = False,
) -> LineFacts:
    """Describes a line by the outputs of the signature `translate_with_stats`.

    Args:
        source: str. The line.
        row: mapping of the signature's outputs to their values for this line.
        version: int or None. The version that answered.
        seconds: float or None. How long the request took.
        keep_text: bool. Keep the line and its translation, after `redact`.

    Returns:
        `LineFacts`.

    Example:

    >>> row = {"translation": "HALLO", "source_tokens": 2, "target_tokens": 2,
    ...        "unknown_tokens": 0, "log_probability": -1.5, "truncated": False}
    >>> describe_line("HELLO", row).capitals
    1.0
    """
    translation = str(row["translation"])
    letters = [letter for letter in source if letter.isalpha()]
    return LineFacts(
        time=round(time.time(), 3),
        version=version,
        seconds=seconds if seconds is None else round(seconds, 4),
        characters=len(source),
        capitals=round(sum(map(str.isupper, letters)) / max(1, len(letters)), 3),
        not_ascii=round(sum(letter > "\x7f" for letter in source) / max(1, len(source)), 3),
        source_tokens=int(row["source_tokens"]),
        target_tokens=int(row["target_tokens"]),
        unknown_tokens=int(row["unknown_tokens"]),
        log_probability=round(float(row["log_probability"]), 4),
        truncated=bool(row["truncated"]),
        faults=tuple(translation_faults(source, translation)),
        text=(redact(source), redact(translation)) if keep_text else None,
    )
