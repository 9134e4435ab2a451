"""Verification finds what a server would stumble over, and says so in a line."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from keras_attn.serving import saved_model_session, verify_saved_model
from keras_attn.serving.runtime_checks import check_runtime
from keras_attn.serving.static_checks import check_server_versions
from keras_attn.serving.verification_record import RecordedTranslation
from keras_attn.serving.warmup import write_warmup


def failures(directory: Path) -> dict[str, str]:
    """Name and detail of the checks that failed."""
    report = verify_saved_model(directory)
    assert report.passed == (not report.failures)
    return {check.name: check.detail for check in report.failures}


def write_saved_model(directory: Path, function, inputs=None) -> Path:
    """A SavedModel with the right signature around `function(numbers)`, and a variable."""
    module = tf.Module()
    module.variable = tf.Variable([[1.0, 2.0]])
    inputs = inputs or tf.TensorSpec([None], tf.string, name="text")

    @tf.function(input_signature=[inputs], autograph=False)
    def serve(text):
        numbers = tf.cast(tf.strings.length(text), tf.float32)[:, tf.newaxis]
        return {"translation": text, "score": tf.reduce_sum(function(numbers), axis=1)}

    module.serve = serve
    tf.saved_model.save(module, str(directory), signatures=serve.get_concrete_function())
    return directory


@pytest.mark.slow
def test_a_moved_export_still_passes_and_the_report_says_so(version_1, copy) -> None:
    report = verify_saved_model(copy)
    assert report.passed, report.lines()
    assert report.lines()[-1].endswith(f"passed, {len(report.checks)} checks")
    assert json.loads(json.dumps(report.to_dict()))["passed"] is True
    names = [name for name, _, _ in report.checks]
    assert {"files", "signatures", "operations", "lines one by one", "text of rank 2"} <= set(names)


@pytest.mark.parametrize(
    ("operation", "function"),
    [
        ("compiled by XLA", tf.function(lambda x: x @ tf.ones([1, 2]), jit_compile=True)),
        (
            "XlaDynamicUpdateSlice",
            lambda x: keras.ops.slice_update(tf.zeros([5, 3]), (tf.size(x), 0), tf.ones([1, 3])),
        ),
        ("PyFunc", lambda x: tf.ensure_shape(tf.py_function(np.abs, [x], tf.float32), [None, 1])),
        (
            "ReadFile",
            lambda x: x + float(0) * tf.cast(tf.strings.length(tf.io.read_file("a")), x.dtype),
        ),
    ],
    ids=["jit_compile", "slice_update", "py_function", "read_file"],
)
def test_a_graph_that_a_stock_server_cannot_run_is_refused(tmp_path, operation, function) -> None:
    found = failures(write_saved_model(tmp_path / "1", function))
    assert operation in found["operations"]
    assert "not run" in found["as a server runs it"]


def test_an_operation_that_no_released_server_knows_is_named(copy) -> None:
    path = copy / "saved_model.pb"
    graph = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    graph.meta_graphs[0].graph_def.node.add(name="new", op="ScaledDotProductAttention")
    path.write_bytes(graph.SerializeToString())
    found = failures(copy)["server versions"]
    assert "2.20 does not know ScaledDotProductAttention; 2.19 does not know" in found


def test_released_servers_know_the_operations_of_an_export(version_1) -> None:
    (meta_graph,) = saved_model_pb2.SavedModel.FromString(
        (version_1 / "saved_model.pb").read_bytes()
    ).meta_graphs
    check = check_server_versions(meta_graph)
    assert check.passed
    assert check.detail == "2.20 knows all operations; 2.19 knows all operations"


def test_a_signature_without_a_batch_axis_is_refused(tmp_path) -> None:
    fixed = tf.TensorSpec([4], tf.string, name="text")
    found = failures(write_saved_model(tmp_path / "1", lambda x: x, fixed))
    assert "'text' must take any number of lines, and takes 4" in found["signatures"]


def test_another_signature_is_refused(tmp_path) -> None:
    inputs = tf.TensorSpec([None], tf.string, name="sentence")
    found = failures(write_saved_model(tmp_path / "1", lambda x: x, inputs))
    assert "'text'" in found["signatures"] and "'sentence'" in found["signatures"]


@pytest.mark.parametrize("name", ["variables.index", "variables.data-00000-of-00001"])
def test_missing_variables_are_noticed(copy, name) -> None:
    (copy / "variables" / name).unlink()
    assert f"variables/{name} is missing" in failures(copy)["files"]


@pytest.mark.parametrize("content", [b"\xff" * 99, b"", None], ids=["garbage", "empty", "cut"])
def test_a_damaged_graph_is_noticed(copy, content) -> None:
    path = copy / "saved_model.pb"
    path.write_bytes(path.read_bytes()[:5000] if content is None else content)
    assert {"graph", "tags"} & set(failures(copy))


@pytest.mark.slow
def test_a_translation_that_was_tampered_with_is_noticed(copy) -> None:
    path = copy / "assets.extra" / "keras_attn.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record["verification"][1]["translation"] += "!"
    path.write_text(json.dumps(record), encoding="utf-8")
    found = failures(copy)
    # The request of `score` has the recorded translations as its targets.
    assert set(found) == {
        "all lines in one batch",
        "a batch filled up",
        "lines one by one",
        "8 requests at once",
        "translate_with_stats",
        "score",
    }
    assert repr(record["verification"][1]["source"]) in found["lines one by one"]


CHANGES = {  # of the record of one line each; one export is verified against all of them
    "log_probability": lambda value: value + 0.1,
    "target_pieces": lambda pieces: ["?", *pieces[1:]],
    "n_best": lambda pairs: [[pairs[0][0] + "!", pairs[0][1]]],
    "forced_log_probability": lambda value: 1.1 * value - 1.0,
}
NOTICED_BY = ("translate_with_stats", "attention", "n_best", "score")


@pytest.mark.slow
def test_each_signature_is_compared_with_the_record(copy) -> None:
    path = copy / "assets.extra" / "keras_attn.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    sources = []
    for one, (field, change) in zip(record["verification"], CHANGES.items(), strict=False):
        one["details"][field] = change(one["details"][field])
        sources.append(one["source"])
    path.write_text(json.dumps(record), encoding="utf-8")
    found = failures(copy)
    assert set(found) == set(NOTICED_BY)
    for name, source in zip(NOTICED_BY[2:], sources[2:], strict=True):
        assert repr(source)[:20] in found[name]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"no TFRecord" * 9, id="damaged"),
        pytest.param(b"", id="a request that fails", marks=pytest.mark.slow),
    ],
)
def test_warmup_requests_that_a_server_refuses_are_noticed(copy, content) -> None:
    path = copy / "assets.extra" / "tf_serving_warmup_requests"
    if content:
        path.write_bytes(content)
        assert "cannot be read" in failures(copy)["warm-up requests"]
    else:
        write_warmup(copy, ["serving_default"], ["a" * 70_000], ["b"])
        assert "at most 65536 bytes" in failures(copy)["warm-up requests"]


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "is missing"), ("{", "is damaged"), ('{"verification": []}', "records no translation")],
)
def test_an_export_without_its_record_is_not_verified(copy, content, message) -> None:
    path = copy / "assets.extra" / "keras_attn.json"
    path.unlink()
    if content is not None:
        path.write_text(content)
    assert message in failures(copy)["recorded translations"]


def test_a_name_that_servers_overlook_is_noticed(copy) -> None:
    (copy / "variables" / "variables.index").unlink()  # so that nothing needs to be loaded
    renamed = copy.rename(copy.with_name("v7"))
    assert "'v7'" in failures(renamed)["version name"]


def test_a_model_directory_is_answered_with_its_versions(copy) -> None:
    shutil.copytree(copy, copy.with_name("10"))
    with pytest.raises(ValueError, match=r"`version_directory`.*holds the versions 7, 10\."):
        verify_saved_model(copy.parent)
    with pytest.raises(ValueError, match="must exist"):
        verify_saved_model(copy / "nothing")
    with pytest.raises(ValueError, match="must be a directory"):
        verify_saved_model(copy / "saved_model.pb")


@pytest.mark.parametrize(
    ("script", "detail"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ('print(\'{"code": 12, "message": "no function X"}\')', "status 12, no function X"),
        ("raise SystemExit('out of luck')", "out of luck"),
    ],
    ids=["crash", "other build", "no answer"],
)
def test_a_loader_that_does_not_answer_is_a_failed_check(
    tmp_path, monkeypatch, script, detail
) -> None:
    path = tmp_path / "loader.py"
    path.write_text(script)
    monkeypatch.setattr(saved_model_session, "__file__", str(path))
    (check,) = check_runtime(tmp_path, [RecordedTranslation("Hello!", "Hallo!", -1.0)])
    assert not check.passed
    assert detail in check.detail


@pytest.mark.slow
def test_another_interpreter_runs_the_model(copy, tmp_path) -> None:
    program = tmp_path / "python"
    program.write_text(f'#!/bin/sh\necho ran > {tmp_path / "proof"}\nexec {sys.executable} "$@"\n')
    program.chmod(0o755)
    assert verify_saved_model(copy, python=program).passed
    assert (tmp_path / "proof").read_text() == "ran\n"
    with pytest.raises(ValueError, match="`python` must be an interpreter.*nowhere"):
        verify_saved_model(copy, python=tmp_path / "nowhere")


def answers(score: float, translation: str = "Hallo!") -> list[dict]:
    """What a loader answers that translates one line and refuses the rest."""
    output = {"outputs": {"translation": [translation], "score": [score]}}
    refused = {"code": 3, "message": "rank"}
    return [output] * 3 + [refused] * 3 + [output, refused] + [output] * 8


@pytest.mark.parametrize(
    ("score", "passes"), [(-20.0, True), (-20.004, True), (-20.1, False), (float("nan"), False)]
)
def test_scores_may_differ_in_their_last_digits_only(tmp_path, monkeypatch, score, passes) -> None:
    path = tmp_path / "loader.py"
    path.write_text(f"print({json.dumps({'runs': answers(score)})!r})")
    monkeypatch.setattr(saved_model_session, "__file__", str(path))
    checks = check_runtime(tmp_path, [RecordedTranslation("Hello!", "Hallo!", -20.0)])
    assert all(check.passed for check in checks) == passes
