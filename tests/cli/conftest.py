"""A tiny untrained translator on disk, as the commands find it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import keras_attn


@pytest.fixture(scope="session")
def saved_translator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a translator that knows nothing, so its output is of no interest."""
    tokenizer = keras_attn.data.ByteTokenizer()
    model = keras_attn.create_model(
        "transformer_tiny",
        source_vocabulary_size=tokenizer.vocabulary_size,
        hidden_dim=16,
        intermediate_dim=24,
        num_layers=1,
    )
    translator = keras_attn.Translator(
        model,
        tokenizer,
        decoding="greedy",
        max_source_tokens=20,
        max_extra_tokens=3,
        jit_compile=False,
    )
    directory = tmp_path_factory.mktemp("models") / "translator"
    translator.save(directory)
    return directory


@pytest.fixture
def run_directory(saved_translator: Path, tmp_path: Path) -> Iterator[Path]:
    """A run whose training has ended, with the translator in it."""
    run = tmp_path / "run"
    run.mkdir()
    (run / "translator").symlink_to(saved_translator)
    information = {"format_version": 1, "status": "finished"}
    (run / "run.json").write_text(json.dumps(information), encoding="utf-8")
    yield run
