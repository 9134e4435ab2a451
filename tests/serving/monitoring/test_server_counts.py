"""What the metrics of a server say."""

from __future__ import annotations

import json
import math
import urllib.request

import httpx
import numpy as np
import pytest

from keras_attn.cli.main import main
from keras_attn.serving.monitoring import (
    MonitorMetrics,
    ServerCounts,
    ServerCountsReader,
    read_server_counts,
    report_traffic,
)

from .test_traffic_report import REFERENCE, lines

# As TensorFlow Serving writes them.
TEXT = """\
# TYPE :tensorflow:serving:request_count counter
:tensorflow:serving:request_count{model_name="en_de",status="OK"} 90
:tensorflow:serving:request_count{model_name="en_de",status="INVALID_ARGUMENT"} 10
# TYPE :tensorflow:serving:request_latency histogram
:tensorflow:serving:request_latency_bucket{model_name="en_de",API="Predict",entrypoint="GRPC",le="1000"} 20
:tensorflow:serving:request_latency_bucket{model_name="en_de",API="Predict",entrypoint="GRPC",le="+Inf"} 50
:tensorflow:serving:request_latency_sum{model_name="en_de",API="Predict",entrypoint="GRPC"} 120000
:tensorflow:serving:request_latency_count{model_name="en_de",API="Predict",entrypoint="GRPC"} 50
:tensorflow:serving:request_latency_bucket{model_name="en_de",API="Predict",entrypoint="REST",le="1000"} 5
:tensorflow:serving:request_latency_bucket{model_name="en_de",API="Predict",entrypoint="REST",le="+Inf"} 40
:tensorflow:cc:saved_model:load_attempt_count{model_path="/models/en_de/1",status="success"} 1
"""  # noqa: E501


def test_counts_of_tf_serving() -> None:
    (counts,) = read_server_counts(TEXT)
    assert counts.model == "en_de" and counts.requests == {"OK": 90, "INVALID_ARGUMENT": 10}
    assert counts.latency == {1000.0: 25.0, math.inf: 90.0}
    assert counts.failed == pytest.approx(0.1)
    assert math.isnan(counts.requests_per_second)
    assert counts.percentile(95) == 0.001  # nothing is known beyond the last bound


def test_percentiles_are_in_the_right_bucket() -> None:
    generator = np.random.default_rng(5)
    seconds = generator.gamma(3.0, 0.02, 20_000)
    bounds = [10 * 1.8**i for i in range(33)]
    latency = {bound: float((1e6 * seconds <= bound).sum()) for bound in bounds}
    counts = ServerCounts("x", math.nan, {"OK": 20_000.0}, {**latency, math.inf: 20_000.0})
    for percent in (50, 95, 99):
        true = 1e6 * np.percentile(seconds, percent)
        bucket = np.searchsorted(bounds, true)
        assert bounds[bucket - 1] <= 1e6 * counts.percentile(percent) <= bounds[bucket]
    assert math.isnan(ServerCounts("x", 1.0, {}, {}).percentile(50))


def test_differences_between_readings() -> None:
    first = ServerCounts("x", math.nan, {"OK": 10.0}, {1.0: 4.0, math.inf: 10.0})
    later = ServerCounts("x", math.nan, {"OK": 25.0, "NOT_FOUND": 5.0}, {1.0: 4.0, math.inf: 25.0})
    change = later.since(first, 10.0)
    assert change.requests == {"OK": 15.0, "NOT_FOUND": 5.0}
    assert change.requests_per_second == 2.0 and change.failed == 0.25
    assert change.latency == {1.0: 0.0, math.inf: 15.0}
    restarted = first.since(later, 10.0)
    assert restarted.requests == first.requests


@pytest.mark.parametrize(
    "text", ["<!doctype html><p>x", ':tensorflow:serving:request_count{a="b"} 1']
)
def test_something_else_is_refused(text) -> None:
    with pytest.raises(ValueError, match="Prometheus' format"):
        read_server_counts(text)


def test_the_command_reads_a_server(server, capsys) -> None:
    server.request("/v1/models/nonsense:predict", {"instances": ["x"]})
    reader = ServerCountsReader(server.url)
    assert "nonsense" in [one.model for one in reader.read()]  # other tests ask for other models
    for body in ({"instances": ["x"]}, {"instances": ["y"]}, {"instances": [1]}):
        server.request("/v1/models/nonsense:predict", body)
    (after,) = (one for one in reader.read() if one.model == "nonsense")
    assert (after.requests["OK"], after.requests["INVALID_ARGUMENT"]) == (2, 1)
    assert after.requests_per_second > 0
    assert 0 < after.percentile(50) < 60
    assert main(["monitor", server.url, "--json"]) == 0
    models = {one["model"]: one for one in json.loads(capsys.readouterr().out)["models"]}
    assert models["nonsense"]["requests"]["OK"] >= 2
    assert main(["monitor", server.url]) == 0
    assert "nonsense" in capsys.readouterr().out


def test_a_model_that_appears_later_has_a_rate(monkeypatch) -> None:
    texts = iter(["", TEXT])
    answer = lambda *_, **__: httpx.Response(200, text=next(texts))  # noqa: E731
    monkeypatch.setattr(httpx, "get", answer)
    reader = ServerCountsReader("http://localhost:8501")
    assert reader.read() == []
    (counts,) = reader.read()
    assert counts.requests["OK"] == 90 and counts.requests_per_second > 0


def test_servers_that_give_no_metrics(server, capsys) -> None:
    assert main(["monitor", f"{server.url}/v1/models/nonsense"]) == 2
    assert "Prometheus" in capsys.readouterr().err
    assert main(["monitor", f"{server.url}/nothing"]) == 2
    assert "--monitoring_config_file" in capsys.readouterr().err
    assert main(["monitor", "http://127.0.0.1:1"]) == 1
    assert "error: http://127.0.0.1:1/" in capsys.readouterr().err
    assert main(["monitor", "http://localhost:85O1"]) == 2
    assert "`url` must be an address" in capsys.readouterr().err


def test_what_the_monitor_finds_is_served() -> None:
    moved = lines(300, version=2, capitals=1.0)
    metrics = MonitorMetrics(port=0)
    try:
        metrics.update(report_traffic(lines(300, version=1), REFERENCE))
        metrics.update(report_traffic(moved, REFERENCE))
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics.port}/metrics") as response:
            text = response.read().decode()
    finally:
        metrics.close()
    assert 'keras_attn_lines{version="2"} 300.0' in text
    assert 'keras_attn_alarm{feature="capitals",version="2"} 1.0' in text
    assert 'keras_attn_alarm{feature="length_ratio",version="2"} 0.0' in text
    assert 'keras_attn_latency_seconds{quantile="0.95",version="2"} 0.1' in text
    assert 'version="1"' not in text  # it has left the log


def test_a_port_that_is_taken_is_named() -> None:
    metrics = MonitorMetrics(port=0)
    try:
        with pytest.raises(OSError, match=rf"in use: 127\.0\.0\.1:{metrics.port} for metrics"):
            MonitorMetrics(metrics.port)
    finally:
        metrics.close()
