"""A tiny untrained translator on disk, and files with every kind of line that there is."""

from __future__ import annotations

from pathlib import Path

import keras
import pytest

import keras_attn

pytest.importorskip("apache_beam")


@pytest.fixture(scope="session")
def translator_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a translator that knows nothing, so its output is of no interest."""
    keras.utils.set_random_seed(20170612)
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


@pytest.fixture(scope="session")
def translator(translator_directory: Path) -> keras_attn.Translator:
    """The same translator in this process: what it says is what the files must say."""
    return keras_attn.Translator.load(translator_directory)
