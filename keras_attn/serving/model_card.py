"""The model card of an export: what it was trained on, how well it does, and its limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_attn.serving.signatures import SIGNATURES
from keras_attn.serving.static_checks import XLA_FLAG

CARD_PATH = "assets.extra/model_card.md"  # servers ignore it
_MOST_EXAMPLES = 8
_LONGEST_EXAMPLE = 100


def write_model_card(
    version_directory: Path,
    record: Mapping[str, Any],
    signatures: Sequence[str],
    about: str | None = None,
) -> None:
    """Writes the card into a SavedModel.

    Args:
        version_directory: Path.
        record: JSON object, as `describe_translator` returns it.
        signatures: sequence of str. The model's signatures.
        about: str or None. Markdown about the model, from a person or from `training_facts`.
    """
    about = about or (
        "There is no description of what this model was trained on, what it is for, and how good "
        "it is. Add one with `export_saved_model(model_card=...)`."
    )
    path = version_directory / CARD_PATH
    path.parent.mkdir(exist_ok=True)
    text = f"{about.strip()}\n\n{_export_section(record, signatures)}"
    path.write_text(text, encoding="utf-8")


def training_facts(name: str, report: Mapping[str, Any]) -> str:
    """Describes a model from the report of its run.

    Args:
        name: str. The model's name.
        report: mapping. The content of `report.json`.

    Returns:
        str. Markdown.

    Example:

    >>> print(training_facts("en_de", {"recipe": "my.toml", "steps": 1500}))
    # en_de
    <BLANKLINE>
    ## Training
    <BLANKLINE>
    - recipe: my.toml
    - updates: 1,500
    """
    rows = [
        ("recipe", report.get("recipe")),
        ("updates", _number(report.get("steps"))),
        ("training text", report.get("training_pairs")),
        ("validation text", report.get("validation_pairs")),
        ("weights", report.get("weights")),
    ]
    lines = [f"# {name}", "", "## Training", ""]
    lines += [f"- {key}: {value}" for key, value in rows if value]
    for split in ("test", "validation"):
        lines += _scores(split, report.get(split) or {})
    return "\n".join(lines)


def _scores(split: str, scores: Mapping[str, Any]) -> list[str]:
    signatures = scores.get("signatures") or {}
    known = {"bleu": "BLEU", "chrf": "chrF", "ter": "TER"}
    lines = [
        f"- {label}: {scores[name]:.1f} ({signatures[name]})"
        for name, label in known.items()
        if scores.get(name) is not None and name in signatures
    ]
    return ["", f"## Scores on the {split} split", "", *lines] if lines else []


def _export_section(record: Mapping[str, Any], signatures: Sequence[str]) -> str:
    """The section with the facts about the export itself."""
    names = {name: ", ".join(SIGNATURES[name].inputs) for name in signatures}
    lines = [
        "## This export",
        "",
        f"- parameters: {record['parameters']:,}",
        f"- search: {record['decoding']['class_name']} {record['decoding']['config']}",
        f"- limits: {record['max_source_tokens']} tokens of a line are read; a translation has at "
        f"most {record['max_extra_tokens']} more than its source",
        "- signatures: " + "; ".join(f"`{name}` ({inputs})" for name, inputs in names.items()),
        f"- written {record['exported_at']} by keras_attn {record['keras_attn_version']}, "
        f"TensorFlow {record['tensorflow_version']}",
        *([f"- for a server that is started with `{XLA_FLAG}`"] * record["xla"]),
        "",
        "Its translations of some of the lines that verify it:",
        "",
        "| line | translation |",
        "|---|---|",
    ]
    shown = [one for one in record["verification"] if one["source"].strip()]
    for one in shown[:_MOST_EXAMPLES]:
        lines.append(f"| {_cell(one['source'])} | {_cell(one['translation'])} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """One line that does not break the table."""
    plain = " ".join(text.replace("|", "\\|").split())
    return plain if len(plain) <= _LONGEST_EXAMPLE else plain[: _LONGEST_EXAMPLE - 3] + "..."


def _number(value: int | None) -> str | None:
    return None if value is None else f"{value:,}"
