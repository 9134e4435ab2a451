"""The card of an export says where the model comes from, and what it does."""

from __future__ import annotations

from keras_attn.serving.model_card import CARD_PATH, training_facts, write_model_card

RECORD = {
    "parameters": 1_234_567,
    "decoding": {"class_name": "BeamSearch", "config": {"num_beams": 4}},
    "max_source_tokens": 128,
    "max_extra_tokens": 50,
    "exported_at": "2026-11-29T12:00:00+00:00",
    "keras_attn_version": "0.1.0",
    "tensorflow_version": "2.21.0",
    "verification": [
        {"source": "a | b\nc", "translation": "x" * 200},
        {"source": "  ", "translation": ""},
    ],
}


def test_what_a_person_says_comes_first_and_tables_stay_whole(tmp_path) -> None:
    write_model_card(tmp_path, RECORD, ["serving_default", "score"], "# The model\n\nFor menus.\n")
    text = (tmp_path / CARD_PATH).read_text(encoding="utf-8")
    assert text.startswith("# The model\n\nFor menus.\n\n## This export\n")
    assert "1,234,567" in text and "`score` (text, target)" in text
    (row,) = [line for line in text.splitlines() if line.startswith("| a")]
    assert row == f"| a \\| b c | {'x' * 97}... |"


def test_a_card_that_nobody_wrote_says_so(tmp_path) -> None:
    write_model_card(tmp_path, RECORD, ["serving_default"])
    assert (tmp_path / CARD_PATH).read_text(encoding="utf-8").startswith("Nobody has said")


def test_the_facts_of_a_run() -> None:
    scores = {"bleu": 12.34, "chrf": 40.0, "signatures": {"bleu": "nrefs:1", "chrf": "nc:6"}}
    text = training_facts("x", {"recipe": "r", "weights": "best", "test": scores})
    assert "- BLEU: 12.3 (nrefs:1)\n- chrF: 40.0 (nc:6)" in text
    assert "Scores on the test split" in text and "validation split" not in text


def test_an_export_has_one(version_1) -> None:
    assert "## This export" in (version_1 / CARD_PATH).read_text(encoding="utf-8")
