"""Malformed requests: each is refused, none stops the server, the next good one is answered.

They follow from a seed, so that a failure can be repeated. MALFORMED_REQUESTS=20000 makes so many.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import socket

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

SEED = 20261129
COUNT = int(os.environ.get("MALFORMED_REQUESTS", "2000"))
PREDICT = "/v1/models/nonsense:predict"
GOOD = json.dumps({"instances": ["a line"]}).encode()
# What a request may be answered with that is malformed, or happens to be well-formed after all.
STATUSES = {200, 400, 403, 404, 405, 413, 431}
CODES = {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "UNIMPLEMENTED"}


def mutate(generator: random.Random, content: bytes) -> bytes:
    """Changes, repeats, removes and adds some bytes."""
    changed = bytearray(content)
    for _ in range(generator.randint(1, 6)):
        position = generator.randrange(len(changed) + 1)
        kind = generator.randrange(4)
        if kind == 0 and changed:
            changed[position % len(changed)] = generator.randrange(256)
        elif kind == 1:
            changed[position:position] = generator.randbytes(generator.randint(1, 4))
        elif kind == 2:
            del changed[position : position + generator.randint(1, 8)]
        else:
            changed[position:position] = changed[: generator.randint(0, 20)]
    return bytes(changed)


def value(generator: random.Random, depth: int = 0):
    """A JSON value that is no list of lines."""
    kinds = [None, True, 0, -1.5, 10**30, "", "x", "\ud800", float("nan"), {}, {"b64": "?"}]
    if depth < 4 and generator.random() < 0.6:
        several = [value(generator, depth + 1) for _ in range(generator.randint(0, 3))]
        if generator.random() < 0.5:
            return several
        keys = ["text", "inputs", "instances", "b64", "signature_name", "\u0000", ""]
        return {generator.choice(keys): one for one in several}
    return generator.choice(kinds)


def rest_request(generator: random.Random) -> tuple[str, str, bytes, dict[str, str]]:
    method, path, body, headers = "POST", PREDICT, GOOD, {}
    kind = generator.randrange(6)
    if kind == 0:
        body = mutate(generator, GOOD)
    elif kind == 1:
        key = generator.choice(["instances", "inputs", "x"])
        body = json.dumps({key: value(generator)}).encode()
    elif kind == 2:
        body = json.dumps(value(generator)).encode()
    elif kind == 3:
        path = "/" + "".join(generator.choices("v1models/:.%20F5CABcpredict\\?#@", k=30))
        method = generator.choice(["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD"])
    elif kind == 4:
        body, headers = mutate(generator, GOOD), {"Content-Encoding": "gzip"}
    else:
        header = generator.choice(["Content-Type", "Accept", "X-Some", "Cookie"])
        letters = [chr(c) for c in range(32, 127)]
        headers = {header: "".join(generator.choices(letters, k=generator.randint(1, 200)))}
        body = b"[" * generator.randint(1, 3000)
    return method, path, body, headers


def check_good_request(server) -> None:
    status, answer = server.request(PREDICT, GOOD)
    assert status == 200 and "translation" in answer["predictions"][0]


@pytest.mark.slow
def test_malformed_rest_requests(server) -> None:
    generator = random.Random(SEED)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    counts: dict[int, int] = {}
    for number in range(COUNT // 2):
        method, path, body, headers = rest_request(generator)
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        content = response.read()
        message = f"request {number}: {method} {path} {body[:200]!r} {headers}: {content[:200]!r}"
        assert response.status in STATUSES, message
        if response.status >= 400 and method != "HEAD" and content[:1] == b"{":
            assert set(json.loads(content)) == {"error"}, message
        counts[response.status] = counts.get(response.status, 0) + 1
        if number % 500 == 0:
            check_good_request(server)
    connection.close()
    check_good_request(server)
    assert counts[400] > 0.35 * COUNT, counts  # most are malformed indeed


@pytest.mark.slow
def test_what_is_no_http(server) -> None:
    generator = random.Random(SEED)
    head = (
        f"POST {PREDICT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(GOOD)}\r\n\r\n"
    ).encode()
    for _ in range(COUNT // 20):
        sent = mutate(generator, mutate(generator, head + GOOD))
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as client:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
            answer = client.recv(4096)
        assert answer == b"" or int(answer.split()[1]) in STATUSES, (sent, answer)
    check_good_request(server)


@pytest.mark.slow
def test_malformed_grpc_requests(server) -> None:
    generator, counts = random.Random(SEED), {}
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "nonsense"
    request.inputs["text"].CopyFrom(tf.make_tensor_proto(["a line"], tf.string))
    good = request.SerializeToString()
    services = [
        "PredictionService/Predict",
        "PredictionService/GetModelMetadata",
        "PredictionService/Classify",
        "ModelService/GetModelStatus",
        "ModelService/HandleReloadConfigRequest",
        "ModelService/Other",
    ]
    with grpc.insecure_channel(server.target) as channel:
        calls = [channel.unary_unary(f"/tensorflow.serving.{name}") for name in services]
        for number in range(COUNT * 9 // 20):
            call = calls[0] if generator.random() < 0.7 else generator.choice(calls)
            sent = mutate(generator, good)
            try:
                call(sent, timeout=60)
                code = "OK"
            except grpc.RpcError as error:
                code = error.code().name
                assert code in CODES, f"request {number}: {sent!r}: {code} {error.details()}"
            counts[code] = counts.get(code, 0) + 1
            if number % 500 == 0:
                check_good_request(server)
    check_good_request(server)
    assert counts["INVALID_ARGUMENT"] > 0.1 * COUNT, counts
    assert not [line for line in server.lines if "Traceback" in line or "Error" in line]
