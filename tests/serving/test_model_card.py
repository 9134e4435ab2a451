"""The card of an export says where the model comes from, and what it does."""

from __future__ import annotations

from pathlib import Path

import pytest

from keras_attn.cli.export import _model_card
from keras_attn.serving.model_card import CARD_PATH, training_facts, write_model_card

RECORD = {
    "parameters": 1_234_567,
    "decoding": {"class_name": "BeamSearch", "config": {"num_beams": 4}},
    "max_source_tokens": 128,
    "max_extra_tokens": 50,
    "exported_at": "2026-11-29T12:00:00+00:00",
    "keras_attn_version": "0.1.0",
    "tensorflow_version": "2.21.0",
    "xla": True,
    "verification": [
        {"source": "a | b\nc", "translation": "x" * 200},
        {"source": "  ", "translation": ""},
    ],
}


def test_what_a_person_says_comes_first_and_tables_stay_whole(tmp_path) -> None:
    write_model_card(tmp_path, RECORD, ["serving_default", "score"], "# The model\n\nFor menus.\n")
    text = (tmp_path / CARD_PATH).read_text(encoding="utf-8")
    assert text.startswith("# The model\n\nFor menus.\n\n## This export\n")
    assert "- for a server that is started with `--xla_cpu_compilation_enabled`\n" in text
    assert "1,234,567" in text and "`score` (text, target)" in text
    (row,) = [line for line in text.splitlines() if line.startswith("| a")]
    assert row == f"| a \\| b c | {'x' * 97}... |"


def test_a_card_that_nobody_wrote_says_so(tmp_path) -> None:
    write_model_card(tmp_path, RECORD, ["serving_default"])
    assert (tmp_path / CARD_PATH).read_text(encoding="utf-8").startswith("There is no")


def test_the_facts_of_a_run() -> None:
    scores = {"bleu": 12.34, "chrf": 40.0, "signatures": {"bleu": "nrefs:1", "chrf": "nc:6"}}
    text = training_facts("x", {"recipe": "r", "weights": "best", "test": scores})
    assert "- BLEU: 12.3 (nrefs:1)\n- chrF: 40.0 (nc:6)" in text
    assert "Scores on the test split" in text and "validation split" not in text


def test_an_export_has_one(version_1) -> None:
    text = (version_1 / CARD_PATH).read_text(encoding="utf-8")
    assert "## This export" in text and "xla" not in text


def test_the_command_finds_the_card_or_the_report(tmp_path, monkeypatch) -> None:
    translator = tmp_path / "en_de" / "translator"
    translator.mkdir(parents=True)
    assert _model_card(translator) is None
    (tmp_path / "en_de" / "report.json").write_text('{"steps": 7}')
    assert _model_card(translator) is None  # another program's report
    (tmp_path / "en_de" / "run.json").write_text("{}")
    (tmp_path / "en_de" / "report.json").write_text('{"steps"')
    with pytest.raises(ValueError, match="`RUN` must have a readable report.json.*Repair"):
        _model_card(translator)
    (tmp_path / "en_de" / "report.json").write_text('{"steps": 7}')
    monkeypatch.chdir(translator)
    assert _model_card(Path(".")).startswith("# en_de\n")
    (translator / "README.md").write_text("# Mine")
    assert _model_card(translator) == "# Mine"
