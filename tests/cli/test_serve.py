"""Which models `keras-attn serve` serves."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from keras_attn.cli import serve


def configured(location: Path) -> list[str]:
    """The names of the models that are served."""
    arguments = argparse.Namespace(config=None, directory=str(location), xla=False)
    with serve._config(arguments) as config:
        return [model.name for model in config.model_config_list.config]


def test_a_run_whose_name_is_a_number_is_a_model_and_not_a_version(
    run_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def export(location: str, directory: Path, xla: bool) -> None:
        (directory / "1").mkdir(parents=True)

    monkeypatch.setattr(serve, "_export", export)
    assert configured(run_directory) == ["run"]
    assert configured(run_directory.rename(run_directory.with_name("7"))) == ["run_7"]


def test_a_directory_that_cannot_be_read_is_no_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "mine" / "1").mkdir(parents=True)
    iterdir = Path.iterdir

    def guarded(self: Path) -> object:
        if self.name == "lost+found":
            raise PermissionError
        return iterdir(self)

    monkeypatch.setattr(Path, "iterdir", guarded)
    assert configured(tmp_path) == ["mine"]


def test_a_run_that_is_not_finished_says_how_to_go_on(tmp_path: Path) -> None:
    information = {"format_version": 1, "status": "interrupted"}
    (tmp_path / "run.json").write_text(json.dumps(information))
    with pytest.raises(ValueError, match="--resume"):
        configured(tmp_path)
