"""Only UNAVAILABLE and RESOURCE_EXHAUSTED are tried again, and not beyond the deadline."""

from __future__ import annotations

import asyncio
import http.server
import json
import threading
import time
from concurrent import futures

import grpc
import pytest
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from keras_attn.serving import AsyncServingClient, RetryPolicy, ServingClient, ServingError
from keras_attn.serving.client.retry_policy import next_wait
from keras_attn.serving.status_code import StatusCode

QUICK = RetryPolicy(attempts=3, first_wait=0.01, longest_wait=0.02)
ANSWER = {"outputs": {"translation": ["ja"], "score": [0.0], "truncated": [False]}}


@pytest.fixture
def rest_server():
    """A server that answers with the given statuses, one after the other, and counts."""

    class Handler(http.server.BaseHTTPRequestHandler):
        statuses: list[int] = []
        requests = 0

        def do_POST(self):
            type(self).requests += 1
            self.rfile.read(int(self.headers["Content-Length"]))
            status = self.statuses.pop(0) if self.statuses else 200
            body = json.dumps(ANSWER if status == 200 else {"error": "no"}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            self.headers["Content-Length"] = "0"
            self.do_POST()

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    Handler.address = f"http://127.0.0.1:{server.server_port}"
    yield Handler
    server.shutdown()
    thread.join()
    server.server_close()


def translate(address: str, retry: RetryPolicy = QUICK, **options) -> list[str]:
    with ServingClient(address, "m", retry=retry, **options) as client:
        return client.translate(["yes"])


async def translate_async(address: str) -> list[str]:
    async with AsyncServingClient(address, "m", retry=QUICK) as client:
        return await client.translate(["yes"])


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("statuses", [[503], [429], [503, 429], [502]])
def test_busy_servers_are_asked_again(rest_server, statuses, is_async) -> None:
    rest_server.statuses[:] = statuses
    ask = (lambda one: asyncio.run(translate_async(one))) if is_async else translate
    assert ask(rest_server.address) == ["ja"]
    assert rest_server.requests == len(statuses) + 1


@pytest.mark.parametrize("status", [400, 404, 500, 504])
def test_other_errors_are_not_tried_again(rest_server, status) -> None:
    rest_server.statuses[:] = [status]
    with pytest.raises(ServingError, match=f"no \\(HTTP {status}\\)"):
        translate(rest_server.address)
    assert rest_server.requests == 1


def test_attempts_are_bounded(rest_server) -> None:
    rest_server.statuses[:] = [503] * 9
    with pytest.raises(ServingError) as raised:
        translate(rest_server.address)
    assert raised.value.code == StatusCode.UNAVAILABLE and rest_server.requests == 3


def test_attempts_end_at_the_deadline(rest_server) -> None:
    rest_server.statuses[:] = [503] * 999
    slow = RetryPolicy(attempts=500, first_wait=0.2, longest_wait=0.2)  # 50 s in all
    started = time.monotonic()
    with pytest.raises(ServingError):
        translate(rest_server.address, slow, timeout=0.5)
    assert time.monotonic() - started < 8


def test_what_is_no_server_of_models(rest_server, monkeypatch) -> None:
    monkeypatch.setitem(ANSWER, "outputs", None)
    with pytest.raises(ServingError, match="No `outputs` in the answer"):
        translate(rest_server.address)


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({"translation": []}, r"`translation` must have a value for each of 1 lines.*\[0\]"),
        ({"translation": "ja"}, "`translation` must have a value for each of 1 lines"),
        ({"translation": [["ja"], []]}, "is not a tensor"),
        ({"y": [1.0], "z": [2.0]}, "The model has no output `translation`.*Received: y, z"),
        ([1.0], "The model has no output `translation`"),
    ],
)
def test_the_answer_of_another_model(rest_server, monkeypatch, outputs, message, tmp_path) -> None:
    monkeypatch.setitem(ANSWER, "outputs", outputs)
    for options in ({}, {"traffic_log": tmp_path / "traffic.jsonl"}):
        with pytest.raises(ServingError, match=message):
            translate(rest_server.address, **options)
    with ServingClient(rest_server.address, "m") as client, pytest.raises(ServingError):
        client.n_best(["yes"])


def test_a_page_of_a_proxy_is_shown_in_part(rest_server, monkeypatch) -> None:
    page = "<html>\n<h1>502 Bad Gateway</h1>" + "<hr>" * 1000
    monkeypatch.setattr(json, "dumps", lambda value, **_: page)
    rest_server.statuses[:] = [502, 502, 502]
    message = "no error of TensorFlow Serving: '<html> <h1>502"
    with pytest.raises(ServingError, match=message) as raised:
        translate(rest_server.address)
    assert len(str(raised.value)) < 200 and "\n" not in str(raised.value)


@pytest.mark.parametrize("states", [5, [{}], [{"version": "one"}]])
def test_states_of_versions_that_are_none(rest_server, monkeypatch, states) -> None:
    monkeypatch.setitem(ANSWER, "model_version_status", states)
    with ServingClient(rest_server.address, "m") as client:
        with pytest.raises(ServingError, match="No states of versions in the answer"):
            client.versions()


def test_grpc_is_tried_again_likewise() -> None:
    class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
        codes = [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED]
        requests = 0

        def Predict(self, request, context):
            self.requests += 1
            if self.codes:
                context.abort(self.codes.pop(0), "no")
            response = predict_pb2.PredictResponse()
            response.outputs["translation"].dtype = 7
            response.outputs["translation"].tensor_shape.dim.add(size=1)
            response.outputs["translation"].string_val.append(b"ja")
            return response

    service, server = Service(), grpc.server(futures.ThreadPoolExecutor(2))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(service, server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        assert translate(address) == ["ja"] and service.requests == 3
        service.codes = [grpc.StatusCode.INTERNAL]
        with pytest.raises(ServingError, match="no"):
            translate(address)
        assert service.requests == 4
    finally:
        server.stop(None).wait()


def test_waits_double_up_to_the_longest(monkeypatch) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    assert list(RetryPolicy(5, 0.1, 0.5).waits()) == pytest.approx([0.1, 0.2, 0.4, 0.5])
    assert list(RetryPolicy(1).waits()) == []


def test_waits_are_drawn_from_nothing_to_that() -> None:
    first = [next(RetryPolicy(2, 1.0, 1.0).waits()) for _ in range(500)]
    assert 0 <= min(first) < 0.1 and 0.9 < max(first) <= 1.0


def test_a_wait_beyond_the_deadline_is_not_begun() -> None:
    error = ServingError(StatusCode.UNAVAILABLE, "busy")
    assert next_wait(error, iter([0.1]), 1.0) == 0.1
    with pytest.raises(ServingError, match="busy"):
        next_wait(error, iter([2.0]), 1.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attempts": 0}, "`attempts` must be at least 1. Received: 0"),
        ({"first_wait": -1}, "`first_wait` must be from 0 to `longest_wait`"),
        ({"first_wait": 3}, "`first_wait` must be from 0 to `longest_wait`"),
    ],
)
def test_wrong_policies(options, message) -> None:
    with pytest.raises(ValueError, match=message):
        RetryPolicy(**options)
