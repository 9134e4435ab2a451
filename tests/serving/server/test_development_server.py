"""What clients of TensorFlow Serving expect, asked with the standard library, grpcio and protos."""

from __future__ import annotations

import base64
import gzip
import json
import shutil
import signal
import socket
import threading
import time

import grpc
import numpy as np
import pytest
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from keras_attn.serving import RetryPolicy, ServingClient, ServingError
from keras_attn.serving.server import DevelopmentServer, ServerOptions, config_of_directory
from tests.support.running_server import running_server, serve_copy

PREDICT = "/v1/models/nonsense:predict"
LINES = ["Good morning, everybody.", "", "Wo ist der Bahnhof?", "x", "far too long a line " * 9]


@pytest.fixture(scope="module")
def stubs(server):
    with grpc.insecure_channel(server.target) as channel:
        yield (
            prediction_service_pb2_grpc.PredictionServiceStub(channel),
            model_service_pb2_grpc.ModelServiceStub(channel),
            health_pb2_grpc.HealthStub(channel),
        )


def predict_request(signature="", name="nonsense", **inputs):
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = name, signature
    for key, lines in inputs.items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(lines, tf.string))
    return request


def arrays(response):
    return {name: tf.make_ndarray(value) for name, value in response.outputs.items()}


def texts(array):
    return [text.decode() for text in array.ravel().tolist()]


def refusal(call, request, **options):
    with pytest.raises(grpc.RpcError) as raised:
        call(request, timeout=30, **options)
    return raised.value.code().name, raised.value.details()


class TestRest:
    def test_translations_are_those_of_the_translator(self, server, translator) -> None:
        expected = translator.translate_detailed(LINES)
        status, answer = server.request(PREDICT, {"instances": LINES})
        assert status == 200
        rows = answer["predictions"]
        assert [row["translation"] for row in rows] == [one.text for one in expected]
        assert [row["truncated"] for row in rows] == [one.truncated for one in expected]
        scores = [row["score"] for row in rows]
        np.testing.assert_allclose(scores, [one.score for one in expected], rtol=1e-4, atol=1e-4)

    def test_rows_and_columns_say_the_same(self, server) -> None:
        _, by_row = server.request(PREDICT, {"instances": [{"text": line} for line in LINES]})
        _, by_column = server.request(PREDICT, {"inputs": {"text": LINES}})
        for name, values in by_column["outputs"].items():
            assert [row[name] for row in by_row["predictions"]] == values

    def test_bytes_compression_versions_and_capitals(self, server) -> None:
        _, expected = server.request(PREDICT, {"instances": ["x"]})
        coded = {"b64": base64.b64encode(b"x").decode()}
        compressed = gzip.compress(b'{"instances": ["x"]}')
        for path, body, headers in (
            (PREDICT, {"instances": [coded]}, {}),
            (PREDICT, compressed, {"Content_Encoding": "gzip"}),
            ("/v1/models/nonsense/versions/1:predict", {"instances": ["x"]}, {}),
            ("/V1/Models/nonsense:Predict", {"instances": ["x"]}, {}),
            ("/v1/models/%6Eonsense:predict", {"instances": ["x"]}, {}),
        ):
            assert server.request(path, body, **headers) == (200, expected)

    def test_an_only_output_is_a_plain_list(self, server, translator) -> None:
        inputs = {"text": LINES[:2], "target": ["a", "bc"]}
        body = {"signature_name": "score", "inputs": inputs}
        status, answer = server.request(PREDICT, body)
        expected = translator.score(*inputs.values())
        assert status == 200
        np.testing.assert_allclose(answer["outputs"], expected, rtol=1e-4, atol=1e-4)

    def test_status_and_metadata(self, server) -> None:
        expected = {
            "model_version_status": [
                {
                    "version": "1",
                    "state": "AVAILABLE",
                    "status": {"error_code": "OK", "error_message": ""},
                }
            ]
        }
        for path in ("/v1/models/nonsense", "/v1/models/nonsense/versions/1"):
            assert server.request(path) == (200, expected)
        status, metadata = server.request("/v1/models/nonsense/metadata")
        assert status == 200
        assert metadata["model_spec"] == {
            "name": "nonsense",
            "signature_name": "",
            "version": "1",
        }
        signatures = metadata["metadata"]["signature_def"]["signature_def"]
        text = signatures["serving_default"]["inputs"]["text"]
        assert text["dtype"] == "DT_STRING"
        assert text["tensor_shape"]["dim"] == [{"size": "-1", "name": ""}]

    @pytest.mark.parametrize(
        ("method", "path", "body", "status", "message"),
        [
            ("POST", PREDICT, b"", 400, "JSON Parse error: The document is empty"),
            ("POST", PREDICT, b"{", 400, "JSON Parse error"),
            ("POST", PREDICT, {}, 400, "Missing 'inputs' or 'instances' key"),
            ("POST", PREDICT, {"instances": [1]}, 400, "is not of expected type: string"),
            ("POST", PREDICT, {"instances": [["x"]]}, 400, "Shape of tensor"),
            ("POST", PREDICT, {"inputs": "x"}, 400, "Shape of tensor"),
            ("POST", PREDICT, {"inputs": ["x"] * 1025}, 400, "at most 1024 lines"),
            ("POST", PREDICT, {"inputs": ["x" * 65537]}, 400, "at most 65536 bytes"),
            ("POST", PREDICT, b" " * (9 * 2**20), 400, "must have at most 8388608 bytes"),
            (
                "POST",
                PREDICT,
                {"signature_name": "other", "instances": ["x"]},
                400,
                'Serving signature name: "other" not found in signature def',
            ),
            (
                "POST",
                PREDICT,
                {"signature_name": "score", "inputs": {"text": ["a"], "target": ["a", "b"]}},
                400,
                "Inputs must have the same first axis",
            ),
            (
                "POST",
                "/v1/models/other:predict",
                {"instances": ["x"]},
                404,
                "Servable not found for request: Latest(other)",
            ),
            (
                "POST",
                "/v1/models/nonsense/versions/7:predict",
                {"instances": ["x"]},
                404,
                "Servable not found for request: Specific(nonsense, 7)",
            ),
            (
                "POST",
                "/v1/models/nonsense/labels/old:predict",
                {"instances": ["x"]},
                400,
                "Unrecognized servable version label: old",
            ),
            (
                "POST",
                "/v1/models/nonsense:classify",
                {"examples": []},
                400,
                "Expected classification signature",
            ),
            ("POST", "/v1/models/nonsense", {}, 400, "Malformed request: POST /v1/models"),
            ("GET", PREDICT, None, 400, "Malformed request: GET"),
            ("DELETE", "/v1/models/nonsense", None, 400, "Malformed request: DELETE"),
            ("GET", "/v1/models/other", None, 404, "Could not find any versions of model other"),
            ("GET", "/v1/models/nonsense/versions/7", None, 404, "Could not find version 7"),
            ("GET", "/v1/models/..%2F..%2Fetc", None, 404, "Could not find any versions"),
            ("GET", "/etc/passwd", None, 404, "Not found"),
        ],
    )
    def test_refusals(self, server, method, path, body, status, message) -> None:
        answer = server.request(path, body, method)
        assert answer[0] == status and set(answer[1]) == {"error"}
        assert message in answer[1]["error"]
        assert server.request("/v1/models/nonsense")[0] == 200

    def test_compressed_bodies_have_a_limit_when_plain(self, server) -> None:
        bomb = gzip.compress(b" " * (9 * 2**20))
        for body in (bomb, b"no gzip", gzip.compress(b'{"instances": ["x"]}')[:-9]):
            status, answer = server.request(PREDICT, body, Content_Encoding="gzip")
            assert status == 400 and "error" in answer

    def test_a_page_of_another_site_is_refused(self, server) -> None:
        assert server.request("/v1/models/nonsense", Host="evil.example")[0] == 403
        assert server.request("/v1/models/nonsense", Host=f"localhost:{server.port}")[0] == 200

    def test_metrics_have_the_names_of_tf_serving(self, server) -> None:
        server.request(PREDICT, {"instances": ["x"]})
        server.request("/v1/models/nobody:predict", {"instances": ["x"]})
        status, text = server.request("/monitoring/prometheus/metrics")
        assert status == 200
        counts = [line for line in text.splitlines() if line.startswith(":tensorflow:serving:")]
        requests = ':tensorflow:serving:request_count{model_name="nonsense",status="OK"}'
        assert any(line.startswith(requests) for line in counts)
        for name in ("request_latency_bucket", "batching_session:processed_batch_size_sum"):
            assert any(line.startswith(f":tensorflow:serving:{name}{{") for line in counts)
        assert "nobody" not in text  # a label for each unknown name would fill the memory


class TestGrpc:
    def test_all_signatures(self, server, stubs, translator) -> None:
        predictions = stubs[0]
        expected = translator.translate_detailed(LINES)
        response = predictions.Predict(predict_request(text=LINES), timeout=30)
        spec = response.model_spec
        assert (spec.name, spec.version.value) == ("nonsense", 1)
        assert spec.signature_name == "serving_default"
        assert texts(arrays(response)["translation"]) == [one.text for one in expected]
        best = arrays(predictions.Predict(predict_request("n_best", text=LINES), timeout=30))
        assert best["translations"].shape == (5, 4)
        assert texts(best["translations"][:, 0]) == [one.text for one in expected]
        request = predict_request("score", text=LINES, target=[one.text for one in expected])
        scores = arrays(predictions.Predict(request, timeout=30))["log_probability"]
        again = translator.score(LINES, [one.text for one in expected])
        np.testing.assert_allclose(scores, again, rtol=1e-4, atol=1e-4)
        seen = arrays(predictions.Predict(predict_request("attention", text=LINES), timeout=30))
        source_length = int(seen["source_length"][0])
        sums = seen["attention"][0, ..., :source_length].sum(-1)
        np.testing.assert_allclose(sums[..., : int(seen["target_length"][0])], 1, rtol=1e-4)

    def test_strings_that_are_not_given_are_empty(self, stubs) -> None:
        request = predict_request(text=["x"])
        request.inputs["text"].ClearField("string_val")
        assert texts(arrays(stubs[0].Predict(request, timeout=30))["translation"]) == [""]

    def test_numbers_are_in_the_field_of_their_type(self, stubs) -> None:
        response = stubs[0].Predict(predict_request(text=LINES), timeout=30)
        assert len(response.outputs["score"].float_val) == len(LINES)
        assert len(response.outputs["truncated"].bool_val) == len(LINES)
        request = predict_request("translate_with_stats", text=LINES)
        counts = stubs[0].Predict(request, timeout=30).outputs["source_tokens"]
        assert list(counts.int_val) == [min(30, len(line)) for line in LINES]

    def test_outputs_may_be_chosen(self, stubs) -> None:
        request = predict_request(text=LINES)
        request.output_filter.append("translation")
        assert set(arrays(stubs[0].Predict(request, timeout=30))) == {"translation"}
        request.output_filter.append("nothing")
        assert refusal(stubs[0].Predict, request)[0] == "INVALID_ARGUMENT"

    def test_metadata_status_and_health(self, stubs) -> None:
        predictions, models, health = stubs
        request = get_model_metadata_pb2.GetModelMetadataRequest()
        request.model_spec.name = "nonsense"
        code, message = refusal(predictions.GetModelMetadata, request)
        assert code == "INVALID_ARGUMENT" and "at least one metadata_field" in message
        request.metadata_field.append("signature_def")
        response = predictions.GetModelMetadata(request, timeout=30)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        response.metadata["signature_def"].Unpack(signatures)
        assert "serving_default" in signatures.signature_def
        status = get_model_status_pb2.GetModelStatusRequest()
        status.model_spec.name = "nonsense"
        (one,) = models.GetModelStatus(status, timeout=30).model_version_status
        assert (one.version, one.state) == (1, 30)
        check = health_pb2.HealthCheckRequest(service="PredictionService")
        assert health.Check(check, timeout=30).status == health_pb2.HealthCheckResponse.SERVING

    def test_refusals(self, stubs) -> None:
        predict = stubs[0].Predict
        no_spec, no_name = predict_pb2.PredictRequest(), predict_request(name="", text=["x"])
        wrong_type, wrong_rank = predict_request(), predict_request()
        wrong_type.inputs["text"].CopyFrom(tf.make_tensor_proto([1]))
        wrong_rank.inputs["text"].CopyFrom(tf.make_tensor_proto([["x"]], tf.string))
        huge = predict_request(text=["x"])  # one value, which stands for all
        huge.inputs["text"].tensor_shape.dim[0].size = 2**40
        negative = predict_request(text=["x"])
        negative.inputs["text"].tensor_shape.dim[0].size = -1
        cut = predict_request(text=["x", "y"])
        cut.inputs["text"].tensor_shape.dim[0].size = 3
        unknown_type = predict_request(text=["x"])
        unknown_type.inputs["text"].dtype = 99
        version = predict_request(text=["x"])
        version.model_spec.version.value = 7
        for request, code, message in (
            (no_spec, "INVALID_ARGUMENT", "Missing ModelSpec"),
            (no_name, "INVALID_ARGUMENT", "ModelSpec has no name specified."),
            (predict_request(), "INVALID_ARGUMENT", "Missing but required: {text}"),
            (
                predict_request(text=["x"], more=["x"]),
                "INVALID_ARGUMENT",
                "input size does not match signature: 2!=1",
            ),
            (wrong_type, "INVALID_ARGUMENT", "Expects text to be string but int32 is provided"),
            (wrong_rank, "INVALID_ARGUMENT", "[1,1] is not compatible with"),
            (huge, "INVALID_ARGUMENT", "at most 1024 elements"),
            (negative, "INVALID_ARGUMENT", "at most 1024 elements"),
            (unknown_type, "INVALID_ARGUMENT", ""),
            (
                predict_request("other", text=["x"]),
                "FAILED_PRECONDITION",
                'Serving signature key "other" not found.',
            ),
            (predict_request(name="other", text=["x"]), "NOT_FOUND", "Latest(other)"),
            (version, "NOT_FOUND", "Specific(nonsense, 7)"),
        ):
            assert refusal(predict, request)[0] == code
            assert message in refusal(predict, request)[1]
        predict(predict_request(text=["x"]), timeout=30)

    def test_a_deadline_that_is_too_short(self, stubs) -> None:
        request = predict_request(text=["a line of some length"] * 1000)
        with pytest.raises(grpc.RpcError) as raised:
            stubs[0].Predict(request, timeout=0.02)
        assert raised.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        stubs[0].Predict(predict_request(text=["x"]), timeout=30)

    def test_a_reload_reaches_no_other_path(self, stubs) -> None:
        request = model_management_pb2.ReloadConfigRequest()
        request.config.model_config_list.config.add(
            name="stolen", base_path="/etc", model_platform="tensorflow"
        )
        code, message = refusal(stubs[1].HandleReloadConfigRequest, request)
        assert code == "PERMISSION_DENIED" and "started with" in message


def test_many_at_once_get_their_own_answers(server, translator) -> None:
    lines = [f"line {i} " + "word " * (i % 5) for i in range(40)]
    expected, answers = translator.translate(lines), {}

    def ask(i: int) -> None:
        _, answer = server.request(PREDICT, {"instances": [lines[i]]})
        answers[i] = answer["predictions"][0]["translation"]

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answers[i] for i in range(40)] == expected


@pytest.mark.slow
def test_versions_are_swapped_under_load_and_the_end_waits_for_answers(version_1, tmp_path) -> None:
    models = serve_copy(version_1, tmp_path / "served")
    stop, statuses = threading.Event(), []
    with running_server(models, "--batch-threads", "1") as server:

        def ask() -> None:
            while not stop.is_set():
                statuses.append(server.request(PREDICT, {"instances": ["a line"]})[0])

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        shutil.copytree(version_1, tmp_path / "copy")
        (tmp_path / "copy").rename(models / "nonsense" / "2")
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            _, answer = server.request("/v1/models/nonsense")
            states = [one["state"] for one in answer["model_version_status"]]
            if states == ["AVAILABLE", "END"]:
                break
            time.sleep(0.1)
        stop.set()
        for thread in threads:
            thread.join()
        assert states == ["AVAILABLE", "END"]
        assert set(statuses) == {200} and len(statuses) > 10
        # A large request is sent, then the server is told to stop: it answers first.
        sent = threading.Thread(
            target=lambda: statuses.append(
                server.request(PREDICT, {"instances": ["a rather long line of words"] * 1000})[0]
            )
        )
        sent.start()
        time.sleep(0.2)
        server.process.send_signal(signal.SIGTERM)
        sent.join()
        assert statuses[-1] == 200
        assert server.process.wait(60) == 0
    assert server.lines[-1] == "stopped"


@pytest.mark.slow
def test_slow_clients_are_cut_off(version_1, tmp_path) -> None:
    # As a program of one's own starts it.
    code = (
        "import asyncio, sys\n"
        "from keras_attn.serving.server import *\n"
        "limits = RequestLimits(receive_seconds=1.0, most_connections=8)\n"
        "options = ServerOptions(port=0, grpc_port=0, limits=limits)\n"
        "server = DevelopmentServer(config_of_directory(sys.argv[1]), options)\n"
        "asyncio.run(server.serve())\n"
    )
    models = serve_copy(version_1, tmp_path / "served")
    with running_server(models, program=["-c", code, str(models)]) as server:
        head = f"POST {PREDICT} HTTP/1.1\r\nHost: localhost\r\n"
        for sent in (b"", head.encode(), f"{head}Content-Length: 9\r\n\r\n{{".encode()):
            with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
                client.sendall(sent)
                started = time.monotonic()
                answer = client.recv(4096)  # nothing, or an error: the connection is closed
                assert time.monotonic() - started < 5
                assert answer == b"" or answer.startswith(b"HTTP/1.1 504")
        # Connections that say nothing do not keep others out for long.
        silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(20)]
        time.sleep(2)
        assert server.request("/v1/models/nonsense")[0] == 200
        for one in silent:
            one.close()


def test_json_is_what_json_readers_read(server) -> None:
    _, answer = server.request(PREDICT, json.dumps({"instances": ['\u4e16\u754c \\ "']}).encode())
    assert isinstance(answer, dict)


def test_a_server_in_a_thread(version_1, translator) -> None:
    # XLA stays on: the tests that follow in this process may need it.
    options = ServerOptions(port=0, grpc_port=0, disable_xla=False)
    server = DevelopmentServer(config_of_directory(version_1.parent), options)
    with server.running():
        for address in (server.url, server.grpc_address):
            with ServingClient(address, "nonsense") as client:
                assert client.translate(LINES) == translator.translate(LINES)
        taken = ServerOptions(port=int(server.url.rpartition(":")[2]), grpc_port=0)
        with pytest.raises(OSError, match="for REST"):
            with DevelopmentServer(config_of_directory(version_1.parent), taken).running():
                pass
    with ServingClient(server.url, "nonsense", retry=RetryPolicy(1)) as client:
        with pytest.raises(ServingError, match="No connection"):
            client.translate(["x"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"port": 70000}, "`port` must be from 0 to 65535. Received: 70000"),
        ({"port": 1, "grpc_port": 1}, "`port` and `grpc_port` must be different. Received: 1"),
    ],
)
def test_wrong_options(options, message) -> None:
    with pytest.raises(ValueError, match=message):
        ServerOptions(**options)
