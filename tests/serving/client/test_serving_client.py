"""The clients say what the translator says, by REST and by gRPC."""

from __future__ import annotations

import asyncio
import json

import numpy as np
import pytest

from keras_attn.lines import ReviewQueue
from keras_attn.serving import AsyncServingClient, RetryPolicy, ServingClient, ServingError
from keras_attn.serving.monitoring import read_traffic
from keras_attn.serving.status_code import StatusCode

LINES = ["Good morning, everybody.", "", "Wo ist der Bahnhof?", "x", "caf\u00e9 \u4e16 \U0001f600"]


@pytest.fixture(scope="module", params=["http", "grpc"])
def address(request, server) -> str:
    return server.url if request.param == "http" else f"grpc://{server.target}"


@pytest.fixture
def client(address):
    with ServingClient(address, "nonsense", batch_size=2) as one:
        yield one


def test_all_methods_say_what_the_translator_says(client, translator) -> None:
    expected = translator.translate_detailed(LINES)
    texts = [one.text for one in expected]
    assert client.translate(LINES) == texts
    detailed = client.translate_detailed(LINES)
    assert [one.source for one in detailed] == LINES
    for name in ("text", "truncated"):
        assert [getattr(one, name) for one in detailed] == [getattr(one, name) for one in expected]
    for name in ("score", "log_probability", "confidence"):
        values = [[getattr(one, name) for one in some] for some in (detailed, expected)]
        np.testing.assert_allclose(*values, rtol=1e-4, atol=1e-4)
    scores = client.score(LINES, texts)
    np.testing.assert_allclose(scores, translator.score(LINES, texts), rtol=1e-4, atol=1e-4)


def test_doubtful_translations_are_queued(address, translator, tmp_path) -> None:
    expected = translator.translate_detailed(LINES)
    below = sorted(one.confidence for one in expected)[2]
    doubtful = {one.source: one.text for one in expected if one.confidence < below - 1e-3}
    assert len(doubtful) == 2

    async def ask(queue):
        async with AsyncServingClient(address, "nonsense", review=queue) as client:
            return await client.translate(LINES)

    texts = [one.text for one in expected]
    for name in ("sync", "async"):
        queue = ReviewQueue(tmp_path / name, below - 1e-3)
        if name == "async":
            assert asyncio.run(ask(queue)) == texts
        else:
            with ServingClient(address, "nonsense", batch_size=2, review=queue) as client:
                assert client.translate(LINES) == texts
        records = map(json.loads, (tmp_path / name).read_text(encoding="utf-8").splitlines())
        assert {one["source"]: one["translation"] for one in records} == doubtful


def test_the_n_best(client, translator) -> None:
    found = client.n_best(LINES)
    expected = translator.translate_detailed(LINES)
    assert [one.text for one in found] == [one.text for one in expected]
    for one in found:
        scores = [one.score, *(alternative.score for alternative in one.alternatives)]
        assert len(scores) == (4 if one.source else 1)  # an empty line has no alternatives
        assert scores == sorted(scores, reverse=True)


def test_attention_has_the_shape_of_the_pieces(client, translator) -> None:
    expected = translator.translate_detailed(LINES, attention=True)
    for one, other in zip(client.attention(LINES), expected, strict=True):
        assert one.tokens == other.tokens and one.text == other.text
        assert one.source_tokens == other.source_tokens
        if other.attention is not None and other.source.strip():
            np.testing.assert_allclose(one.attention, other.attention, rtol=1e-3, atol=1e-5)


def test_no_lines_need_no_server() -> None:
    with ServingClient("http://localhost:1", "nonsense") as client:
        assert client.translate([]) == []


def test_the_asynchronous_client_says_the_same(address, translator) -> None:
    async def ask():
        async with AsyncServingClient(address, "nonsense", batch_size=2) as client:
            return (
                await client.translate(LINES),
                await client.translate_detailed(LINES),
                await client.n_best(LINES),
                await client.score(LINES, LINES),
                await client.attention(LINES),
                await client.versions(),
                await client.wait_until_available(5),
            )

    texts, detailed, best, scores, seen, versions, _ = asyncio.run(ask())
    assert texts == translator.translate(LINES)
    for translations in (detailed, best, seen):
        assert [one.text for one in translations] == texts
    np.testing.assert_allclose(scores, translator.score(LINES, LINES), rtol=1e-4, atol=1e-4)
    assert [(one.version, one.state) for one in versions] == [(1, "AVAILABLE")]


def test_versions_and_labels(address) -> None:
    with ServingClient(address, "nonsense", version=1) as client:
        assert client.translate(["x"])
        assert [(one.version, one.state) for one in client.versions()] == [(1, "AVAILABLE")]
        client.wait_until_available(5)
    with ServingClient(address, "nonsense", version=7) as client:
        with pytest.raises(ServingError, match=r"Specific\(nonsense, 7\)") as raised:
            client.translate(["x"])
        assert raised.value.code == StatusCode.NOT_FOUND
    with ServingClient(address, "nonsense", label="old") as client:
        with pytest.raises(ServingError, match="Unrecognized servable version label: old"):
            client.translate(["x"])


def test_a_request_that_the_server_refuses(client) -> None:
    with pytest.raises(ServingError, match="at most 65536 bytes") as raised:
        client.translate(["x" * 70_000])
    assert raised.value.code == StatusCode.INVALID_ARGUMENT


def test_a_deadline(address) -> None:
    with ServingClient(address, "nonsense", timeout=0.01, batch_size=1000) as client:
        with pytest.raises(ServingError) as raised:
            client.translate(["a line of some length"] * 1000)
        assert raised.value.code == StatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize("address", ["http://localhost:1", "grpc://localhost:1"])
def test_no_server(address) -> None:
    retry = RetryPolicy(attempts=3, first_wait=0.01, longest_wait=0.02)
    with ServingClient(address, "nonsense", timeout=5, retry=retry) as client:
        with pytest.raises(ServingError) as raised:
            client.translate(["x"])
        assert raised.value.code == StatusCode.UNAVAILABLE
        with pytest.raises(ServingError) as raised:
            client.wait_until_available(0.3)
        assert raised.value.code == StatusCode.DEADLINE_EXCEEDED

    async def wait() -> None:
        async with AsyncServingClient(address, "nonsense") as client:
            await client.wait_until_available(0.3)

    with pytest.raises(ServingError) as raised:
        asyncio.run(wait())
    assert raised.value.code == StatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("ftp://localhost", "m"), {}, "`address` must be like http://localhost:8501"),
        (("http://", "m"), {}, "`address` must be like"),
        (("http://localhost:x", "m"), {}, "`address` must be like"),
        (("grpc://localhost/path", "m"), {}, "without a path"),
        (("localhost:8500", ""), {}, "`model` must be a name"),
        (("localhost:8500", "a/b"), {}, "`model` must be a name"),
        (("http://localhost:0", "m"), {}, "`address` must be like"),
        (("http://local host:8501", "m"), {}, "`address` must be like"),
        (("http://a..b:8501", "m"), {}, "`address` must be like .* label empty"),
        (("localhost:8500", "m"), {"timeout": 0}, "`timeout` must be above 0"),
        (("localhost:8500", "m"), {"timeout": float("inf")}, "`timeout` must be .* finite"),
        (("localhost:8500", "m"), {"version": -1}, "`version` must be an integer of at least 0"),
        (("localhost:8500", "m"), {"label": ""}, "`label` must be the name of a label"),
        (("localhost:8500", "m"), {"batch_size": 0}, "`batch_size` must be at least 1"),
        (("localhost:8500", "m"), {"concurrency": 0}, "`concurrency` must be at least 1"),
        (("localhost:8500", "m"), {"version": 1, "label": "stable"}, "`version` must be None"),
    ],
)
def test_wrong_arguments(arguments, options, message) -> None:
    with pytest.raises(ValueError, match=message):
        ServingClient(*arguments, **options)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "`inputs` must be given by name"),
        ({"text": "a line"}, "`text` must be a list of str"),
        ({"text": ["a"], "target": []}, "`inputs` must all have the same number of lines"),
    ],
)
def test_wrong_inputs(inputs, message) -> None:
    with ServingClient("localhost:1", "m") as client:
        with pytest.raises(ValueError, match=message):
            client.predict("score", **inputs)


def test_traffic_is_logged_without_text(address, translator, tmp_path) -> None:
    path = tmp_path / "traffic.jsonl"
    with ServingClient(address, "nonsense", batch_size=2, traffic_log=path) as client:
        assert client.translate(LINES) == translator.translate(LINES)

    async def ask():
        async with AsyncServingClient(address, "nonsense", traffic_log=path) as client:
            await client.translate_detailed(["x"])
            await client.score(["x"], ["y"])  # is no translation

    asyncio.run(ask())
    facts, damaged = read_traffic(path)
    assert damaged == 0 and len(facts) == len(LINES) + 1
    assert sorted(one.characters for one in facts[:-1]) == sorted(map(len, LINES))
    detailed = translator.translate_detailed(LINES)
    assert sorted(one.target_tokens for one in facts[:-1]) == sorted(
        len(one.tokens) for one in detailed
    )
    assert all(one.seconds > 0 for one in facts)
    assert {one.version for one in facts} == ({1} if address.startswith("grpc") else {None})
    assert "morning" not in path.read_text()
