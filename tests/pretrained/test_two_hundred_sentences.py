"""The shipped SavedModel says what the shipped translator says: 200 sentences, every signature.

`KERAS_ATTN_SERVER_PYTHON` names an interpreter with the TensorFlow of a server; then it is asked,
too. `make verify-serving` makes such an environment.
"""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from keras_attn import Translator
from keras_attn.data import phrasebook
from keras_attn.pretrained import DEFAULT_MODEL, find_pretrained
from keras_attn.serving import verify_saved_model
from keras_attn.serving.monitoring import read_reference
from keras_attn.serving.verification_record import describe_translator, write_record
from keras_attn.translator import Confidence
from tests.pretrained.regression_set import read_inputs

VERSION = Path(__file__).resolve().parents[2] / "saved_models" / DEFAULT_MODEL / "1"
SERVER_PYTHON = os.environ.get("KERAS_ATTN_SERVER_PYTHON")


@pytest.mark.slow
@pytest.mark.parametrize("python", [None, *([SERVER_PYTHON] if SERVER_PYTHON else [])])
def test_every_signature_on_two_hundred_sentences(python, tmp_path) -> None:
    inputs = [source for _, source, _ in read_inputs()]
    generator = random.Random(200)
    sentences = generator.sample(inputs, 100)
    sentences += list(phrasebook("test", num_pairs=100).sources)
    assert len(sentences) == 200
    copy = Path(shutil.copytree(VERSION, tmp_path / "1"))
    write_record(copy, describe_translator(Translator.load(DEFAULT_MODEL), sentences))
    report = verify_saved_model(copy, python)
    assert report.passed, "\n".join(report.lines())


def test_the_shipped_model_is_calibrated_and_has_reference_statistics() -> None:
    assert 0 < Confidence.find(find_pretrained(DEFAULT_MODEL)).good_chrf <= 100
    assert read_reference(VERSION).lines > 1000
