"""A tiny untrained translator on disk, as the commands find it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.translators import save_small_translator


@pytest.fixture(scope="session")
def saved_translator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a translator whose output is of no interest."""
    return save_small_translator(tmp_path_factory.mktemp("models") / "translator")


@pytest.fixture
def run_directory(saved_translator: Path, tmp_path: Path) -> Iterator[Path]:
    """A run whose training has ended, with the translator in it."""
    run = tmp_path / "run"
    run.mkdir()
    (run / "translator").symlink_to(saved_translator)
    information = {"format_version": 1, "status": "finished"}
    (run / "run.json").write_text(json.dumps(information), encoding="utf-8")
    yield run
