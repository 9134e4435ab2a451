"""Asks a server what TensorFlow Serving's documentation asks, and writes a table of the answers.

    python scripts/tf_serving_answers.py --models DIR          makes the two models, once
    keras-attn serve DIR                                       or TensorFlow Serving
    python scripts/tf_serving_answers.py --output docs/tf_serving_answers.md

The clients are `curl`, and grpcio with the messages of tensorflow-serving-api: nothing from this
package. So the script works with TensorFlow Serving too. The documented answers are from its guide
(`g3doc/api_rest.md`), and from its sources where the guide says nothing. The exit status is 1 if an
answer differs unexpectedly.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc

MODEL, TOY = "tatoeba_en_de", "saved_model_half_plus_three"
SHIPPED = Path(__file__).parents[1] / "saved_models" / MODEL
REST, GRPC = "localhost:8501", "localhost:8500"
_LONGEST = 110


@dataclasses.dataclass(frozen=True)
class Row:
    """A request, and what is documented about its answer.

    Args:
        request: str. As a reader would write it.
        ask: function without arguments that returns the status (a number, or gRPC's name) and the
            answer.
        status: int or str. The documented one.
        documented: str. The documented answer, or the part of it that is always the same.
        source: str. Where it is documented.
        fits: function of the answer, or None: `documented` must be a part of it.
        differs: str. Why this server answers differently, if that is intended.
    """

    request: str
    ask: Callable[[], tuple[int | str, Any]]
    status: int | str
    documented: str
    source: str
    fits: Callable[[Any], bool] | None = None
    differs: str = ""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rest", default=REST, help=f"HOST:PORT (default: {REST})")
    parser.add_argument("--grpc", default=GRPC, help=f"HOST:PORT (default: {GRPC})")
    parser.add_argument("--models", help="write the two models to this directory")
    parser.add_argument("--output", help="write the table to this file")
    arguments = parser.parse_args()
    if arguments.models:
        make_models(Path(arguments.models))
        return 0
    with grpc.insecure_channel(arguments.grpc) as channel:
        rows = [*rest_rows(arguments.rest), *grpc_rows(channel)]
        table, num_wrong = make_table(rows)
    print(table)
    print(f"{len(rows)} requests, {num_wrong} answers that are not as documented")
    if arguments.output:
        Path(arguments.output).write_text(f"{_TITLE}\n{table}\n", encoding="utf-8")
    return int(num_wrong > 0)


_TITLE = """\
# Requests, and the answers of TensorFlow Serving

Made by `scripts/tf_serving_answers.py`, which asks `keras-attn serve` by `curl` and by grpcio with
the messages of tensorflow-serving-api. The documented answers are those of TensorFlow Serving's
REST guide (`guide`) and of its sources at commit 9d981c5 (named by file). `...` stands for what
depends on the model. The script asks any server: start TensorFlow Serving with the same two models,
and run it.
"""


def make_models(directory: Path) -> None:
    """Copies the shipped model, and makes the guide's: x / 2 + 3."""
    import tensorflow as tf

    shutil.copytree(SHIPPED, directory / MODEL)
    x = tf.TensorSpec(None, tf.float32, "x")
    example = tf.TensorSpec([None], tf.string, "inputs")
    module = tf.Module()
    module.half = tf.Variable(0.5)

    def parse(serialized: tf.Tensor) -> tf.Tensor:
        return tf.io.parse_example(serialized, {"x": tf.io.FixedLenFeature([], tf.float32)})["x"]

    predict = tf.function(lambda x: {"y": module.half * x + 3.0}, input_signature=[x])
    regress = tf.function(
        lambda inputs: {"outputs": module.half * parse(inputs) + 3.0}, input_signature=[example]
    )
    version = directory / TOY / "123"
    signatures = {
        "serving_default": predict.get_concrete_function(),
        "tensorflow/serving/regress": regress.get_concrete_function(),
    }
    tf.saved_model.save(module, str(version), signatures=signatures)
    # TensorFlow 2 writes every signature for Predict. And the guide's model says that `x` has no
    # axes, which TensorFlow Serving does not check.
    from tensorflow.core.protobuf import saved_model_pb2

    path = version / "saved_model.pb"
    saved_model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    definitions = saved_model.meta_graphs[0].signature_def
    definitions["tensorflow/serving/regress"].method_name = "tensorflow/serving/regress"
    definitions["serving_default"].inputs["x"].tensor_shape.Clear()
    path.write_bytes(saved_model.SerializeToString())


def curl(address: str, *options: str, path: str) -> tuple[str, Callable[[], tuple[int, Any]]]:
    """A command line of `curl`, and a function that runs it."""
    command = ["curl", *options, f"http://{REST}/v1/models/{path}"]

    def ask() -> tuple[int, Any]:
        asked = ["curl", "-sS", "-w", "\n%{http_code}", *options]
        url = f"http://{address}/v1/models/{path}"
        done = subprocess.run([*asked, url], capture_output=True, timeout=60)
        if done.returncode:
            raise SystemExit(done.stderr.decode().strip())
        text, _, status = done.stdout.decode().rpartition("\n")
        return int(status), json.loads(text)

    return shlex.join(command), ask


def rest_rows(address: str) -> list[Row]:
    """The requests of the REST guide, and those that it does not show."""
    rows = []

    def row(
        *options: str,
        path: str,
        status: int,
        documented: str,
        source: str,
        fits: Callable[[Any], bool] | None = None,
        differs: str = "",
    ) -> None:
        request, ask = curl(address, *options, path=path)
        rows.append(Row(request, ask, status, documented, source, fits, differs))

    def predict(data: str, **expected: Any) -> None:
        row("-d", data, "-X", "POST", path=f"{MODEL}:predict", **expected)

    available = {"version": "123", "state": "AVAILABLE"} | {
        "status": {"error_code": "OK", "error_message": ""}
    }
    guide = "guide"
    row(
        path=TOY,
        status=200,
        documented=json.dumps({"model_version_status": [available]}),
        source=guide,
        fits=lambda answer: answer == {"model_version_status": [available]},
    )
    row(
        *("-d", '{"instances": [1.0,2.0,5.0]}', "-X", "POST"),
        path=f"{TOY}:predict",
        status=200,
        documented='{"predictions": [3.5, 4.0, 5.5]}',
        source=guide,
        fits=lambda answer: answer == {"predictions": [3.5, 4.0, 5.5]},
    )
    examples = '{"signature_name": "tensorflow/serving/regress", "examples": [{"x": 1.0}]}'
    row(
        *("-d", examples, "-X", "POST"),
        path=f"{TOY}:regress",
        status=200,
        documented='{"results": [3.5]}',
        source=guide,
        fits=lambda answer: answer == {"results": [3.5]},
        differs="Predict only: 501",
    )
    row(
        *("-d", '{"instances": [1.0,5.0]}', "-X", "POST"),
        path="half:predict",
        status=404,
        documented='{ "error": "Servable not found for request: Latest(half)" }',
        source=guide,
        fits=lambda answer: answer == {"error": "Servable not found for request: Latest(half)"},
    )
    row(
        path=f"{MODEL}/metadata",
        status=200,
        documented='{"model_spec": {...}, "metadata": {"signature_def": {...}}}',
        source=guide,
        fits=lambda answer: "serving_default" in str(answer["metadata"]["signature_def"]),
    )
    predict(
        '{"instances": ["Hello!", "Thank you."]}',
        status=200,
        documented='{"predictions": [{...}, {...}]}: an object a row, several outputs',
        source=guide,
        fits=lambda answer: (
            [set(one) for one in answer["predictions"]]
            == [{"translation", "score", "truncated"}] * 2
        ),
    )
    predict(
        '{"inputs": {"text": ["Hello!", "Thank you."]}}',
        status=200,
        documented='{"outputs": {"translation": [...], ...}}: a list an output',
        source=guide,
        fits=lambda answer: [len(one) for one in answer["outputs"].values()] == [2, 2, 2],
    )
    predict(
        '{"instances": [{"b64": "SGVsbG8h"}]}',
        status=200,
        documented='{"predictions": [{...}]}: as for "Hello!"',
        source=guide,
        fits=lambda answer: answer["predictions"][0]["translation"] == "Hallo!",
    )
    predict(
        '{"signature_name": "score", "instances": [{"text": "Hello!", "target": "Hallo!"}]}',
        status=200,
        documented='{"predictions": [-0.1...]}: plain values, one output',
        source=guide,
        fits=lambda answer: isinstance(answer["predictions"][0], float),
    )
    json_tensor, handler = "json_tensor.cc", "http_rest_api_handler.cc"
    for data, documented, source in (
        ("", "JSON Parse error: The document is empty", json_tensor),
        ("{", "JSON Parse error: ", json_tensor),
        ("[1]", "Is not object", json_tensor),
        ("{}", "Missing 'inputs' or 'instances' key", json_tensor),
        ('{"instances": []}', "No values in 'instances' array", json_tensor),
        ('{"instances": "x"}', "Expecting 'instances' to be an list/array", json_tensor),
        (
            '{"instances": ["x"], "inputs": ["x"]}',
            "expecting only one of 'inputs' or 'instances' keys to exist",
            json_tensor,
        ),
        (
            '{"instances": [1]}',
            "JSON Value: 1 Type: Number is not of expected type: string",
            json_tensor,
        ),
        ('{"instances": [{"b64": "?"}]}', "Unable to base64 decode", json_tensor),
        ('{"instances": [["x", "y"], ["z"]]}', "Expecting tensor size: 2 but got: 1", json_tensor),
        ('{"instances": [{"other": "x"}]}', "keys must be equal to: text", json_tensor),
        (
            '{"inputs": {"other": ["x"]}}',
            "Missing named input: text in 'inputs' object.",
            json_tensor,
        ),
        (
            '{"signature_name": "score", "instances": ["x"]}',
            "instances is a plain list, but expecting list of objects as multiple input tensors",
            json_tensor,
        ),
        (
            '{"signature_name": 1, "instances": ["x"]}',
            "'signature_name' key must be a string value.",
            json_tensor,
        ),
        (
            '{"signature_name": "x", "instances": ["x"]}',
            'Serving signature name: "x" not found in signature def',
            handler,
        ),
    ):
        predict(data, status=400, documented=documented, source=source)
    core, state = "server_core.cc", "get_model_status_impl.cc"
    for path, status, documented, source in (
        (f"{MODEL}/versions/7", 404, f"Could not find version 7 of model {MODEL}", state),
        ("other", 404, "Could not find any versions of model other", state),
        (f"{MODEL}/labels/old/metadata", 400, "Unrecognized servable version label: old", core),
        (f"{MODEL}:predict", 400, f"Malformed request: GET /v1/models/{MODEL}:predict", handler),
    ):
        row(path=path, status=status, documented=documented, source=source)
    return rows


def grpc_rows(channel: grpc.Channel) -> list[Row]:
    """Requests by gRPC."""
    from tensorflow_serving.apis import (
        get_model_metadata_pb2,
        get_model_status_pb2,
        model_service_pb2_grpc,
        predict_pb2,
        prediction_service_pb2_grpc,
    )

    predictions = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    models = model_service_pb2_grpc.ModelServiceStub(channel)
    rows = []

    def row(request: str, method: Any, message: Any, status: str, *documented: Any) -> None:
        def ask() -> tuple[str, Any]:
            try:
                return "OK", method(message, timeout=60)
            except grpc.RpcError as error:
                return error.code().name, error.details()

        rows.append(Row(request, ask, status, *documented))

    def predict_message(signature: str = "", name: str = MODEL, **inputs: list[bytes]) -> Any:
        message = predict_pb2.PredictRequest()
        message.model_spec.name, message.model_spec.signature_name = name, signature
        for key, lines in inputs.items():
            tensor = message.inputs[key]
            tensor.dtype = 7  # DT_STRING
            tensor.string_val.extend(lines)
            tensor.tensor_shape.dim.add().size = len(lines)
        return message

    predict = predictions.Predict
    row(
        'Predict text=["Hello!"]',
        predict,
        predict_message(text=[b"Hello!"]),
        "OK",
        'outputs {translation, score, truncated}; model_spec {name, version, "serving_default"}',
        "prediction_service.proto",
        lambda answer: (
            answer.outputs["translation"].string_val[0] == b"Hallo!"
            and answer.model_spec.signature_name == "serving_default"
        ),
    )
    filtered = predict_message(text=[b"Hello!"])
    filtered.output_filter.append("score")
    row(
        'Predict text=["Hello!"], output_filter=["score"]',
        predict,
        filtered,
        "OK",
        "outputs {score}",
        "predict.proto",
        lambda answer: set(answer.outputs) == {"score"},
    )
    wrong_type = predict_message(text=[])
    wrong_type.inputs["text"].dtype = 3  # DT_INT32
    wrong_type.inputs["text"].int_val.append(1)
    wrong_type.inputs["text"].tensor_shape.dim[0].size = 1
    util, core = "predict_util.cc", "server_core.cc"
    for request, message, status, documented, source in (
        (
            "no model_spec",
            predict_pb2.PredictRequest(),
            "INVALID_ARGUMENT",
            "Missing ModelSpec",
            "predict_impl.cc",
        ),
        (
            "name=''",
            predict_message(name="", text=[b"x"]),
            "INVALID_ARGUMENT",
            "ModelSpec has no name specified.",
            core,
        ),
        (
            "name='other'",
            predict_message(name="other", text=[b"x"]),
            "NOT_FOUND",
            "Servable not found for request: Latest(other)",
            "basic_manager.cc",
        ),
        (
            "signature_name='x'",
            predict_message("x", text=[b"x"]),
            "FAILED_PRECONDITION",
            'Serving signature key "x" not found.',
            util,
        ),
        (
            "no inputs",
            predict_message(),
            "INVALID_ARGUMENT",
            "input size does not match signature: 0!=1 len({}) != len({text}). Sent extra: {}. "
            "Missing but required: {text}.",
            util,
        ),
        (
            "text=[1]",
            wrong_type,
            "INVALID_ARGUMENT",
            "to be string but int32 is provided",
            "measured",
        ),
    ):
        row(f"Predict, {request}", predict, message, status, documented, source)
    metadata = get_model_metadata_pb2.GetModelMetadataRequest()
    metadata.model_spec.name = MODEL
    row(
        "GetModelMetadata, no metadata_field",
        predictions.GetModelMetadata,
        metadata,
        "INVALID_ARGUMENT",
        "GetModelMetadataRequest must specify at least one metadata_field",
        "get_model_metadata_impl.cc",
    )
    asked = get_model_metadata_pb2.GetModelMetadataRequest()
    asked.CopyFrom(metadata)
    asked.metadata_field.append("signature_def")
    row(
        'GetModelMetadata, metadata_field=["signature_def"]',
        predictions.GetModelMetadata,
        asked,
        "OK",
        'metadata {"signature_def": SignatureDefMap}',
        "get_model_metadata.proto",
        lambda answer: answer.metadata["signature_def"].TypeName().endswith("SignatureDefMap"),
    )
    state = get_model_status_pb2.GetModelStatusRequest()
    state.model_spec.name = MODEL
    row(
        "GetModelStatus",
        models.GetModelStatus,
        state,
        "OK",
        "model_version_status {version: 1, state: AVAILABLE}",
        "get_model_status.proto",
        lambda answer: (
            [(one.version, one.state) for one in answer.model_version_status] == [(1, 30)]
        ),
    )
    return rows


def make_table(rows: list[Row]) -> tuple[str, int]:
    """The table in Markdown, and how many answers are wrong."""
    lines = [
        "| request | documented | source | answer | |",
        "|---|---|---|---|---|",
    ]
    num_wrong = 0
    for row in rows:
        status, answer = row.ask()
        if row.fits is None:
            text = answer if isinstance(answer, str) else answer.get("error", "")
            fits = status == row.status and row.documented in text
        else:
            fits = status == row.status and row.fits(answer)
        num_wrong += not fits and not row.differs
        verdict = "same" if fits else row.differs or "**other**"
        cells = (
            f"`{row.request}`",
            f"{row.status} `{row.documented}`",
            row.source,
            f"{status} `{_shown(answer)}`",
            verdict,
        )
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines), num_wrong


def _shown(answer: Any) -> str:
    """The answer in one line, without what is long or changes in the last digit."""
    if not isinstance(answer, str):
        is_json = isinstance(answer, dict)
        answer = json.dumps(answer, ensure_ascii=False) if is_json else str(answer)
    text = re.sub(r"(\d\.\d{3})\d+", r"\1", " ".join(answer.split())).replace("`", "'")
    return text if len(text) <= _LONGEST else text[: _LONGEST - 4] + " ..."


if __name__ == "__main__":
    sys.exit(main())
