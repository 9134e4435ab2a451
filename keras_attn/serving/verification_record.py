"""The record of an export: a JSON file beside the model, which servers ignore."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import json
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
import tensorflow_text

from keras_attn import decoding
from keras_attn.translator import Translator
from keras_attn.version import __version__

# In `assets.extra`, TensorFlow Serving reads only its own files.
RECORD_PATH = "assets.extra/keras_attn.json"
FORMAT_VERSION = 1


@dataclasses.dataclass(frozen=True)
class RecordedTranslation:
    """A line, and its translation at the time of the export.

    Args:
        source: str.
        translation: str.
        score: float. The value of the signature's `score`.
        details: dict or None. The values of the other signatures for the line; None in the record
            of an earlier version.
    """

    source: str
    translation: str
    score: float
    details: dict[str, Any] | None = None


def describe_translator(translator: Translator, texts: list[str]) -> dict[str, Any]:
    """Describes a translator, its software, and its translations of some lines.

    Args:
        translator: `Translator`.
        texts: list of str. The lines that the export will be verified with.

    Returns:
        JSON object, the content of `assets.extra/keras_attn.json`.
    """
    model = translator.model
    return {
        "format_version": FORMAT_VERSION,
        "keras_attn_version": __version__,
        "tensorflow_version": tf.__version__,
        "keras_version": keras.__version__,
        "tensorflow_text_version": tensorflow_text.__version__,
        "exported_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "model_class": f"{type(model).__module__}.{type(model).__qualname__}",
        "parameters": model.count_params(),
        "decoding": decoding.serialize(translator.decoding),
        "max_source_tokens": translator.max_source_tokens,
        "max_extra_tokens": translator.max_extra_tokens,
        "verification": [dataclasses.asdict(one) for one in _record(translator, texts)],
    }


def _record(translator: Translator, texts: list[str]) -> list[RecordedTranslation]:
    """The translator's results for each line, from its own code path, not that of the export."""
    translations = translator.translate_detailed(texts)
    for_n_best = copy.copy(translator)
    for_n_best.decoding = decoding.with_all_hypotheses(translator.decoding)
    n_best = for_n_best.translate_detailed(texts)
    forced = translator.score(texts, [one.text for one in translations])
    end = translator.target_tokenizer.pieces([translator.target_tokenizer.end_token_id])
    records = []
    for one, several, score in zip(translations, n_best, forced, strict=True):
        is_empty = len(one.source_tokens) < 2
        details = {
            "log_probability": one.log_probability,
            "forced_log_probability": score,
            "n_best": [[each.text, each.score] for each in (several, *several.alternatives)],
            "source_pieces": [] if is_empty else list(one.source_tokens),
            "target_pieces": [] if is_empty else [*one.tokens, *end],
        }
        if one.confidence is not None:
            details["confidence"] = one.confidence
        records.append(RecordedTranslation(one.source, one.text, one.score, details))
    return records


def write_record(version_directory: Path, record: dict[str, Any]) -> None:
    """Writes the record into a SavedModel.

    Args:
        version_directory: Path.
        record: JSON object, as `describe_translator` returns it.
    """
    path = version_directory / RECORD_PATH
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def needs_xla(version_directory: Path) -> bool:
    """Whether a version was exported for servers that have XLA switched on.

    Args:
        version_directory: Path.

    Returns:
        bool. False without a readable record.
    """
    try:
        record = json.loads((version_directory / RECORD_PATH).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(record, dict) and record.get("xla") is True


def read_recorded_translations(version_directory: Path) -> list[RecordedTranslation]:
    """Reads the lines that a SavedModel is to be verified with.

    Args:
        version_directory: Path.

    Returns:
        list of `RecordedTranslation`.

    Raises:
        ValueError: if the file is missing, damaged or without translations.
    """
    path = version_directory / RECORD_PATH
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["verification"]
        recorded = [
            RecordedTranslation(
                str(entry["source"]),
                str(entry["translation"]),
                float(entry["score"]),
                entry.get("details"),
            )
            for entry in entries
        ]
    except FileNotFoundError:
        raise ValueError(
            f"{RECORD_PATH} is missing, so there is nothing to compare with. Export the model with "
            "export_saved_model."
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{RECORD_PATH} is damaged: {error!r}. Export the model again.") from error
    if not recorded:
        raise ValueError(f"{RECORD_PATH} records no translation. Export the model again.")
    return recorded
