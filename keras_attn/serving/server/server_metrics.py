"""Prometheus metrics of the development server, under the names that TensorFlow Serving uses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest

from keras_attn.serving.monitoring.server_counts import METRICS_PATH

__all__ = ["METRICS_PATH", "ServerMetrics"]
# Microseconds: 10 times powers of 1.8, as in TensorFlow Serving's latencies.
_LATENCY = [10 * 1.8**i for i in range(33)]
_SIZES = [float(2**i) for i in range(11)]


class ServerMetrics:
    """The metrics of the server. The methods may be called from any thread.

    Counters are gauges here: the client library adds `_total` to the names of counters, and TF
    Serving's names do not have it.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self._requests = Gauge(
            ":tensorflow:serving:request_count",
            "The total number of requests.",
            ["model_name", "status"],
            registry=self.registry,
        )
        self._loads = Gauge(
            ":tensorflow:cc:saved_model:load_attempt_count",
            "The number of times a SavedModel was loaded.",
            ["model_path", "status"],
            registry=self.registry,
        )
        self._latency = self._histogram(
            "request_latency",
            "Microseconds of successful requests.",
            ["model_name", "API", "entrypoint"],
        )
        self._runtime = self._histogram(
            "runtime_latency",
            "Microseconds in the model, waiting in its queue included.",
            ["model_name", "API", "runtime"],
        )
        self._warmup = self._histogram(
            "model_warmup_latency", "Microseconds of warm-up.", ["model_path", "status"]
        )
        self._queuing = self._histogram(
            "batching_session:queuing_latency",
            "Microseconds that requests waited for their batch.",
            ["model_name"],
        )
        self._input_size = self._histogram(
            "batching_session:input_batch_size", "Lines of requests.", ["model_name"], _SIZES
        )
        self._processed_size = self._histogram(
            "batching_session:processed_batch_size", "Lines of batches.", ["model_name"], _SIZES
        )

    def _histogram(
        self,
        name: str,
        description: str,
        labels: list[str],
        buckets: Sequence[float] = tuple(_LATENCY),
    ) -> Histogram:
        return Histogram(
            f":tensorflow:serving:{name}",
            description,
            labels,
            buckets=buckets,
            registry=self.registry,
        )

    def count_request(self, model: str, status: str) -> None:
        """Counts an answer. `status` is the name of its code, such as `"OK"`."""
        self._requests.labels(model, status).inc()

    def observe_latency(self, model: str, method: str, entrypoint: str, seconds: float) -> None:
        """Records the latency of a successful request through `"GRPC"` or `"REST"`."""
        self._latency.labels(model, method, entrypoint).observe(seconds * 1e6)

    def observe_runtime(self, model: str, seconds: float) -> None:
        """Records the computation time of a request."""
        self._runtime.labels(model, "Predict", "TF1").observe(seconds * 1e6)

    def observe_batch(self, model: str, lines: Sequence[int], waited: Sequence[float]) -> None:
        """Records a batch: the lines of its requests, and the seconds that each waited."""
        self._processed_size.labels(model).observe(sum(lines))
        for size, seconds in zip(lines, waited, strict=True):
            self._input_size.labels(model).observe(size)
            self._queuing.labels(model).observe(seconds * 1e6)

    def observe_warmup(self, directory: Path, seconds: float) -> None:
        """Records the warm-up of a version."""
        self._warmup.labels(str(directory), "OK").observe(seconds * 1e6)

    def count_load(self, directory: Path, status: str) -> None:
        """Counts an attempt to load a version: `"success"` or `"fail"`."""
        self._loads.labels(str(directory), status).inc()

    def text(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self.registry)
