"""Statistics beside an export, of lines that the model was made for, to measure drift against."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from keras_attn.serving.monitoring.line_facts import LineFacts, describe_line
from keras_attn.serving.monitoring.traffic_statistics import TrafficStatistics
from keras_attn.serving.saved_model_translator import rows_of
from keras_attn.serving.signatures import STATISTICS_SIGNATURE
from keras_attn.system.whole_file import whole_file

REFERENCE_PATH = "assets.extra/reference_statistics.json"  # servers ignore it


def describe_lines(version_directory: Path, lines: Sequence[str]) -> list[LineFacts]:
    """Translates lines with an export, and describes them.

    Args:
        version_directory: Path. A SavedModel version.
        lines: sequence of str.

    Returns:
        list of `LineFacts`, in the order of the lines.

    Raises:
        ValueError: if the export has no signature for statistics: an earlier version wrote it.

    Example:

    >>> def surest(version_directory, lines):
    ...     facts = describe_lines(version_directory, lines)
    ...     return max(facts, key=lambda one: one.log_probability)
    """
    model = tf.saved_model.load(str(version_directory))
    signature = model.signatures.get(STATISTICS_SIGNATURE)
    if signature is None:
        raise ValueError(
            f"`version_directory` must have the signature {STATISTICS_SIGNATURE}. Received: "
            f"{version_directory}. Export the model again."
        )
    return list(map(describe_line, lines, rows_of(signature, lines)))


def write_reference(version_directory: Path, lines: Sequence[str]) -> TrafficStatistics:
    """Translates lines with an export, and writes their statistics beside it.

    Args:
        version_directory: Path. A SavedModel version.
        lines: sequence of str. Like those that the model was made for, but not those that it was
            trained on: the model is surer of these. 1,000 or more.

    Returns:
        `TrafficStatistics`.

    Raises:
        ValueError: if there are no lines, or the export has no signature for statistics.

    Example:

    >>> write_reference(Path("saved_models/en_de/1"), [])
    Traceback (most recent call last):
    ValueError: `lines` must hold at least one line. Received: none.
    """
    if not lines:
        raise ValueError("`lines` must hold at least one line. Received: none.")
    statistics = TrafficStatistics.of(describe_lines(version_directory, lines))
    path = version_directory / REFERENCE_PATH
    path.parent.mkdir(exist_ok=True)
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(statistics.to_dict()) + "\n", encoding="utf-8")
    return statistics


def read_reference(location: Path) -> TrafficStatistics:
    """Reads a reference.

    Args:
        location: Path. A SavedModel version, or the file itself.

    Returns:
        `TrafficStatistics`.

    Raises:
        ValueError: if there is none, or it is damaged.

    Example:

    >>> read_reference(Path("saved_models/en_de/1"))
    Traceback (most recent call last):
    ValueError: `reference` must be ... Received: saved_models/en_de/1. Write one with ...
    """
    path = location / REFERENCE_PATH if location.is_dir() else location
    try:
        return TrafficStatistics.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except OSError:
        raise ValueError(
            "`reference` must be a SavedModel version with reference statistics, or their file. "
            f"Received: {location}. Write one with `keras-attn export --reference FILE`."
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is damaged: {error}. Write it again.") from error
