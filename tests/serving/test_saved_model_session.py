"""The session answers as a stock server does: same loader, same status codes, no XLA."""

from __future__ import annotations

import ctypes
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from keras_attn.serving import saved_model_session
from keras_attn.serving.saved_model_session import SavedModelSession, SessionError


def answer(directory, runs) -> dict:
    """What the program answers, in a process of its own."""
    request = json.dumps({"directory": str(directory), "runs": runs})
    command = [sys.executable, "-P", saved_model_session.__file__]
    finished = subprocess.run(command, input=request, capture_output=True, text=True, timeout=120)
    return json.loads(finished.stdout)


def serving(texts) -> dict:
    return {"signature": "serving_default", "inputs": {"text": texts}}


@pytest.fixture(scope="module")
def arithmetic(tmp_path_factory):
    """A SavedModel of two signatures: `plain`, and `compiled`, which needs XLA."""
    directory = tmp_path_factory.mktemp("arithmetic") / "1"
    module = tf.Module()
    module.factor = tf.Variable(3.0)
    specs = [
        tf.TensorSpec(None, tf.float32, name="number"),
        tf.TensorSpec(None, tf.string, name="text"),
    ]

    def compute(number, text):
        return {"product": number * module.factor, "echo": text + "\0!"}

    module.plain = tf.function(compute, input_signature=specs)
    product = tf.function(lambda number: {"product": number * module.factor}, jit_compile=True)
    module.compiled = tf.function(product, input_signature=specs[:1])
    signatures = {"plain": module.plain, "compiled": module.compiled}
    tf.saved_model.save(module, str(directory), signatures=signatures)
    return directory


def test_arrays_of_any_rank_go_in_and_come_out(arithmetic) -> None:
    texts = np.array([[b"", b"\0a", b"\xff"], ["ü".encode(), b"long " * 99, b"z"]], object)
    with SavedModelSession(arithmetic, disable_xla=False) as session:
        assert {"plain", "compiled"} <= set(session.signatures)
        for number in (np.float32(2.5), np.ones([2, 0, 3], np.float32), np.ones([4], np.float32)):
            outputs = session.run("plain", {"number": number, "text": texts})
            np.testing.assert_allclose(outputs["product"], 3.0 * number)
            assert outputs["product"].shape == np.shape(number)
            assert outputs["echo"].tolist() == (texts + b"\0!").tolist()


def test_what_is_wrong_with_a_request_is_told_with_a_status(arithmetic) -> None:
    number, text = np.float32(1), np.array([b"a"], object)
    with SavedModelSession(arithmetic, disable_xla=False) as session:
        for signature, inputs, code in [
            ("nothing", {}, 9),
            ("plain", {"number": number}, 3),
            ("plain", {"number": text, "text": text}, 3),
        ]:
            with pytest.raises(SessionError) as caught:
                session.run(signature, inputs)
            assert caught.value.code == code
        session.close()
        session.close()  # again: nothing happens


def test_no_model_is_status_not_found(tmp_path) -> None:
    with pytest.raises(SessionError, match="(?i)saved_?model") as caught:
        SavedModelSession(tmp_path, disable_xla=False)
    assert caught.value.code == 5


def test_damaged_variables_do_not_load(arithmetic, tmp_path) -> None:
    copy = shutil.copytree(arithmetic, tmp_path / "1")
    path = copy / "variables" / "variables.data-00000-of-00001"
    content = bytearray(path.read_bytes())
    content[0] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(SessionError, match="(?i)checksum"):
        SavedModelSession(copy, disable_xla=False)


def test_xla_is_off_in_the_program_as_in_a_stock_server(arithmetic) -> None:
    inputs = {"number": [1.0, 2.0]}
    response = answer(
        arithmetic,
        [
            {"signature": "compiled", "inputs": inputs},
            {"signature": "plain", "inputs": {"number": [2, 3], "text": []}},
            {"signature": "plain", "inputs": {"number": [2.0], "text": ["a\0b", "\udcff"]}},
        ],
    )
    compiled, integers, plain = response["runs"]
    assert "XLA compilation disabled" in compiled["message"]
    assert integers["code"] == 3
    assert plain["outputs"]["echo"] == ["a\0b\0!", "\udcff\0!"]


@pytest.mark.slow
def test_an_exported_translator_answers_as_it_does_in_python(translator, version_1) -> None:
    lines = ["Guten Abend.", "", "One more line, and a long one at that."]
    response = answer(version_1, [serving(lines), serving("Hi!"), serving([["Hi!"]]), serving([])])
    translated, scalar, matrix, nothing = response["runs"]
    assert translated["outputs"]["translation"] == translator.translate(lines)
    assert (scalar["code"], matrix["code"]) == (3, 3)
    assert nothing["outputs"] == {"translation": [], "score": [], "truncated": []}


def test_a_function_that_this_tensorflow_lacks_is_named() -> None:
    with pytest.raises(SessionError, match="no function TF_Nonsense") as caught:
        saved_model_session._find(ctypes.CDLL(None), "TF_Nonsense")
    assert caught.value.code == 12


def test_a_library_that_is_not_there_is_named(tmp_path) -> None:
    with pytest.raises(SessionError, match="cannot be loaded.*Linux"):
        saved_model_session._load_library(tmp_path / "libtensorflow_cc.so.2")
