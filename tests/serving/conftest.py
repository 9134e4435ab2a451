"""A tiny untrained translator, and one export of it, for the tests of this room."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

import keras_attn
from keras_attn.data import ByteTokenizer
from keras_attn.serving import export_saved_model
from keras_attn.translator import Confidence
from tests.support.running_server import RunningServer, running_server, serve_copy
from tests.support.seeds import seed_weights

CONFIDENCE = Confidence((4.0, 2.0, 0.1, -0.5))


def make_translator(tokenizer, translator_class=keras_attn.Translator, **options):
    """A translator of random weights; its translations are nonsense, but of each line its own."""
    seed_weights(7)
    model = keras_attn.create_model(
        "transformer_tiny",
        source_vocabulary_size=tokenizer.vocabulary_size,
        hidden_dim=16,
        intermediate_dim=24,
        num_heads=2,
        num_layers=1,
    )
    for weight in model.trainable_variables:
        weight.assign(3.0 * weight)  # livelier nonsense
    settings = {"max_source_tokens": 30, "max_extra_tokens": 5, **options}
    return translator_class(model, tokenizer, **settings)


@pytest.fixture(scope="session")
def translator() -> keras_attn.Translator:
    """A translator of bytes, of some of whose translations it is sure."""
    return make_translator(ByteTokenizer(), confidence=CONFIDENCE)


@pytest.fixture(scope="session")
def version_1(translator, tmp_path_factory) -> Path:
    """Its export, made once for all workers of a run. Do not change it: copy it."""
    is_shared = "PYTEST_XDIST_WORKER" in os.environ
    base = tmp_path_factory.getbasetemp()
    models = (base.parent if is_shared else base) / "nonsense_models" / "nonsense"
    models.parent.mkdir(exist_ok=True)
    with FileLock(models.parent / "lock"):
        if not (models / "1").is_dir():
            export_saved_model(translator, models)
    return models / "1"


@pytest.fixture
def copy(version_1, tmp_path) -> Path:
    """A copy of the export, to be damaged."""
    return Path(shutil.copytree(version_1, tmp_path / "copied" / "7"))


@pytest.fixture(scope="session")
def server(version_1, tmp_path_factory) -> Iterator[RunningServer]:
    """A server of the model `nonsense`. Do not change its models."""
    models = serve_copy(version_1, tmp_path_factory.mktemp("served"))
    with running_server(models) as one:
        yield one
