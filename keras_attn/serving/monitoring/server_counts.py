"""Reads the counts of each model from the metrics of TensorFlow Serving or our own server."""

from __future__ import annotations

import dataclasses
import math
import time
from collections import defaultdict
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

_PREFIX = ":tensorflow:serving:"
METRICS_PATH = "/monitoring/prometheus/metrics"
_PERCENTILES = (50, 95, 99)


@dataclasses.dataclass(frozen=True)
class ServerCounts:
    """The counts of one model since the server started, or since an earlier reading.

    Args:
        model: str.
        seconds: float. The time that the counts cover; NaN if they are since the start.
        requests: dict of str to float. Answers by status, such as `"OK"`.
        latency: dict of float to float. Microseconds -> successful requests no slower than that.

    Example:

    >>> counts = ServerCounts("en_de", 10.0, {"OK": 50.0}, {1e3: 25.0, 3e3: 50.0, math.inf: 50.0})
    >>> counts.requests_per_second, counts.percentile(50), counts.percentile(75)
    (5.0, 0.001, 0.002)
    """

    model: str
    seconds: float
    requests: dict[str, float]
    latency: dict[float, float]

    @property
    def requests_per_second(self) -> float:
        """Answers of any status per second; NaN for counts since the start."""
        return sum(self.requests.values()) / self.seconds

    @property
    def failed(self) -> float:
        """The share of answers that are not OK; NaN without answers."""
        total = sum(self.requests.values())
        return 1 - self.requests.get("OK", 0.0) / total if total else math.nan

    def percentile(self, percent: float) -> float:
        """A percentile of the latency of successful requests.

        Within a bucket, requests are assumed to be spread evenly, as Prometheus'
        `histogram_quantile` does.

        Args:
            percent: float. From 0 to 100.

        Returns:
            float. Seconds; NaN without requests. Beyond the last finite bound, it is that bound.
        """
        bounds = sorted(self.latency)
        total = self.latency[bounds[-1]] if bounds else 0.0
        if not total:
            return math.nan
        rank, before, lower = total * percent / 100, 0.0, 0.0
        for bound in bounds:
            count = self.latency[bound]
            if count >= rank and count > before:
                if math.isinf(bound):
                    return lower / 1e6
                return (lower + (bound - lower) * (rank - before) / (count - before)) / 1e6
            before, lower = count, bound
        return lower / 1e6

    def since(self, earlier: ServerCounts, seconds: float) -> ServerCounts:
        """The counts since an earlier reading.

        Args:
            earlier: `ServerCounts`.
            seconds: float. The time between the two readings.

        Returns:
            `ServerCounts`; all of these counts if the server was restarted in between.
        """
        requests = _difference(self.requests, earlier.requests)
        latency = _difference(self.latency, earlier.latency)
        if min([*requests.values(), *latency.values()], default=0) < 0:
            return dataclasses.replace(self, seconds=seconds)
        return ServerCounts(self.model, seconds, requests, latency)

    def to_dict(self) -> dict[str, Any]:
        """A JSON object."""
        return {
            "model": self.model,
            "seconds": self.seconds,
            "requests": self.requests,
            "requests_per_second": self.requests_per_second,
            "failed": self.failed,
            "latency": {f"p{percent}": self.percentile(percent) for percent in _PERCENTILES},
        }


def _difference(now: dict[Any, float], earlier: dict[Any, float]) -> dict[Any, float]:
    return {name: value - earlier.get(name, 0.0) for name, value in now.items()}


def read_server_counts(text: str) -> list[ServerCounts]:
    """Reads the metrics of a server.

    Args:
        text: str. In Prometheus' format.

    Returns:
        list of `ServerCounts`, sorted by model name.

    Raises:
        ValueError: if it is something else.

    Example:

    >>> text = ':tensorflow:serving:request_count{model_name="en_de",status="OK"} 7'
    >>> read_server_counts(text)[0].requests
    {'OK': 7}
    """
    requests: dict[str, dict[str, float]] = defaultdict(dict)
    latency: dict[str, dict[float, float]] = defaultdict(lambda: defaultdict(float))
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                model = sample.labels.get("model_name", "")
                # The parser adds `_total` to the names of counters.
                name = sample.name.removesuffix("_total")
                if name == f"{_PREFIX}request_count":
                    requests[model][sample.labels["status"]] = sample.value
                elif name == f"{_PREFIX}request_latency_bucket":
                    # REST and gRPC together.
                    latency[model][float(sample.labels["le"])] += sample.value
    except (ValueError, KeyError) as error:
        raise ValueError(
            f"The metrics must be in Prometheus' format. Received: {error}."
        ) from error
    return [
        ServerCounts(model, math.nan, requests.get(model, {}), dict(latency.get(model, {})))
        for model in sorted({*requests, *latency})
    ]


class ServerCountsReader:
    """Reads the metrics of a server repeatedly.

    Args:
        url: str. The address of the server, `http://HOST:8501`, or of its metrics.
        timeout: float. Seconds.

    Raises:
        ValueError: if `url` is not an address.

    Example:

    >>> ServerCountsReader("localhost:8501")
    Traceback (most recent call last):
    ValueError: `url` must start with http:// or https://. Received: 'localhost:8501'.
    """

    def __init__(self, url: str, timeout: float = 10.0) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"`url` must start with http:// or https://. Received: {url!r}.")
        try:
            has_path = bool(httpx.URL(url).path.strip("/"))
        except httpx.InvalidURL as error:
            raise ValueError(f"`url` must be an address. Received: {url!r} ({error}).") from error
        self.url = url if has_path else url.rstrip("/") + METRICS_PATH
        self._timeout = timeout
        self._earlier: dict[str, ServerCounts] | None = None
        self._read_at = 0.0

    def read(self) -> list[ServerCounts]:
        """Reads the counts since the previous call; for the first call, since the server started.

        Returns:
            list of `ServerCounts`.

        Raises:
            OSError: if the server does not answer.
            ValueError: if the answer is not metrics.
        """
        try:
            response = httpx.get(self.url, timeout=self._timeout, trust_env=False)
        except httpx.HTTPError as error:
            raise OSError(f"{self.url} does not answer: {error}") from error
        if response.status_code != 200:
            raise ValueError(
                f"{self.url} must give metrics. Received: HTTP {response.status_code}. Start TF "
                "Serving with --monitoring_config_file (`keras-attn serve-config` writes it)."
            )
        now, counts = time.monotonic(), read_server_counts(response.text)
        seconds, earlier = now - self._read_at, self._earlier
        self._read_at, self._earlier = now, {one.model: one for one in counts}
        if earlier is None:
            return counts
        nothing = ServerCounts("", math.nan, {}, {})  # for a model without earlier requests
        return [one.since(earlier.get(one.model, nothing), seconds) for one in counts]
