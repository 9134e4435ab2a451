"""Converts a row of an export's outputs to a translation."""

from __future__ import annotations

from typing import Any

from keras_attn.lines.translation import Translation

Row = dict[str, Any]  # the outputs of a signature for one line, by name


def to_translation(source: str, row: Row) -> Translation:
    """Converts a row of `translate_with_stats` or `serving_default` to a translation.

    Args:
        source: str.
        row: dict.

    Returns:
        `Translation`.
    """
    return Translation(
        source,
        row["translation"],
        log_probability=float(row.get("log_probability", 0.0)),
        score=float(row.get("score", 0.0)),
        truncated=bool(row["truncated"]) if "truncated" in row else None,
        confidence=float(row["confidence"]) if "confidence" in row else None,
    )
