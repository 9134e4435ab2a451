"""What `RUN` may be, and what is said when it is something else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keras_attn.cli.model_location import find_translator, open_model, open_translator


def test_a_run_and_its_translator_are_the_same(run_directory: Path, saved_translator: Path) -> None:
    assert find_translator(str(run_directory)) == run_directory / "translator"
    assert find_translator(str(saved_translator)) == saved_translator


def test_beams_change_the_search_and_nothing_else(saved_translator: Path) -> None:
    assert type(open_translator(str(saved_translator)).decoding).__name__ == "GreedySearch"
    translator = open_translator(str(saved_translator), beams=3)
    translator.decoding.num_hypotheses = 1
    assert translator.decoding.get_config()["num_beams"] == 3
    assert translator.max_extra_tokens == 3


def test_beams_keep_the_penalty_of_a_saved_beam_search(
    saved_translator: Path, tmp_path: Path
) -> None:
    translator = open_translator(str(saved_translator), beams=5)
    config = {**translator.decoding.get_config(), "length_penalty": 1.25, "num_hypotheses": 4}
    translator.decoding = type(translator.decoding)(**config)
    translator.save(tmp_path / "translator")
    config = open_translator(str(tmp_path / "translator"), beams=2).decoding.get_config()
    assert (config["num_beams"], config["num_hypotheses"]) == (2, 2)
    assert config["length_penalty"] == 1.25


def test_a_misspelled_run_is_answered_with_the_nearest(run_directory: Path) -> None:
    with pytest.raises(ValueError, match=rf"Did you mean {run_directory}\?"):
        open_model(str(run_directory.with_name("rum")))


def test_a_misspelled_name_of_a_shipped_model_is_answered_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"Did you mean tatoeba_en_de\?"):
        open_model(str(tmp_path / "tatoeba_en_d"))


def test_a_run_without_a_translator_says_how_to_go_on(tmp_path: Path) -> None:
    information = {"format_version": 1, "status": "running"}
    (tmp_path / "run.json").write_text(json.dumps(information), encoding="utf-8")
    with pytest.raises(ValueError, match="has no translator yet.*--resume"):
        open_model(str(tmp_path))


@pytest.mark.parametrize("content", ["{", "[]", "{}", ""])
def test_a_half_written_run_is_refused(run_directory: Path, content: str) -> None:
    (run_directory / "run.json").write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match="damaged"):
        open_model(str(run_directory))


def test_a_run_of_another_version_is_refused(run_directory: Path) -> None:
    information = {"format_version": 99, "status": "finished"}
    (run_directory / "run.json").write_text(json.dumps(information), encoding="utf-8")
    with pytest.raises(ValueError, match="99"):
        open_model(str(run_directory))


def test_a_half_written_translator_is_refused(tmp_path: Path) -> None:
    (tmp_path / "translator.json").write_text('{"format_version"', encoding="utf-8")
    with pytest.raises(ValueError, match="damaged"):
        open_model(str(tmp_path))


def test_the_directory_of_versions_names_the_newest(tmp_path: Path) -> None:
    for name in ("2", "10"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "saved_model.pb").touch()
    with pytest.raises(ValueError, match=rf"holds 2, 10; give {tmp_path / '10'}\."):
        open_model(str(tmp_path))


def test_the_search_of_a_saved_model_cannot_be_changed(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").touch()
    with pytest.raises(ValueError, match="--beams"):
        open_model(str(tmp_path), beams=3)
    with pytest.raises(ValueError, match="a SavedModel; give the run"):
        open_translator(str(tmp_path))


def test_a_damaged_saved_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"no protocol buffer")
    with pytest.raises(ValueError, match="cannot be loaded"):
        open_model(str(tmp_path))


@pytest.mark.parametrize("name", ["", "file.txt"])
def test_something_else_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file.txt").touch()
    with pytest.raises(ValueError, match=r"`RUN` must be a run directory"):
        open_model(str(tmp_path / name))
