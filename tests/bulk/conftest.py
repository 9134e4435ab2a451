"""A tiny untrained translator, on disk and in this process."""

from __future__ import annotations

from pathlib import Path

import pytest

import keras_attn
from tests.support.translators import save_small_translator

pytest.importorskip("apache_beam")


@pytest.fixture(scope="session")
def translator_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a translator whose output is of no interest."""
    return save_small_translator(tmp_path_factory.mktemp("models") / "translator")


@pytest.fixture(scope="session")
def translator(translator_directory: Path) -> keras_attn.Translator:
    """The same translator in this process: what it says is what the files must say."""
    return keras_attn.Translator.load(translator_directory)
