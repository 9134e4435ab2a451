"""What `keras-attn monitor` finds, as Prometheus metrics for an alarm that somebody hears."""

from __future__ import annotations

import threading
import wsgiref.simple_server
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Gauge, start_http_server

from keras_attn.serving.monitoring.traffic_report import VersionReport


class MonitorMetrics:
    """Serves what the newest reports say.

    `keras_attn_lines`, `keras_attn_latency_seconds`, `keras_attn_mean`, `keras_attn_psi`,
    `keras_attn_psi_threshold`, and `keras_attn_alarm`, which is 1 for a feature that has moved.
    Labels: `version`, `feature`, `quantile`.

    Args:
        port: int. 0 for any free one; see `port`.
        host: str. The address to listen at.

    Attributes:
        port: int. Where they are served, under `/metrics`.

    Raises:
        OSError: if the port is taken.

    Example:

    >>> metrics = MonitorMetrics(port=0)
    >>> metrics.update([])
    >>> metrics.close()
    """

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        registry = CollectorRegistry()

        def gauge(name: str, description: str, *labels: str) -> Gauge:
            names = ["version", *labels]
            return Gauge(f"keras_attn_{name}", description, names, registry=registry)

        self._lines = gauge("lines", "Lines in the log.")
        self._latency = gauge("latency_seconds", "Of the newest lines.", "quantile")
        self._mean = gauge("mean", "Mean of a feature over the newest lines.", "feature")
        self._index = gauge("psi", "Population stability index of a feature.", "feature")
        self._threshold = gauge("psi_threshold", "The index above which it is an alarm.", "feature")
        self._alarm = gauge("alarm", "1 if the feature has moved.", "feature")
        self._gauges = (
            self._lines,
            self._latency,
            self._mean,
            self._index,
            self._threshold,
            self._alarm,
        )
        self._server: wsgiref.simple_server.WSGIServer
        self._thread: threading.Thread
        self._server, self._thread = start_http_server(port, host, registry)
        self.port = self._server.server_port

    def update(self, reports: Sequence[VersionReport]) -> None:
        """Replaces the values.

        Args:
            reports: sequence of `VersionReport`.
        """
        for gauge in self._gauges:
            gauge.clear()  # a version that has left the log
        for report in reports:
            version = "unknown" if report.version is None else str(report.version)
            self._lines.labels(version).set(report.lines)
            for percent, seconds in report.seconds.items():
                self._latency.labels(version, str(percent / 100)).set(seconds)
            for one in report.drift:
                if one.mean is not None:
                    self._mean.labels(version, one.name).set(one.mean)
                self._index.labels(version, one.name).set(one.population_stability_index)
                self._threshold.labels(version, one.name).set(one.threshold)
                self._alarm.labels(version, one.name).set(one.is_alarm)
            self._alarm.labels(version, "less_sure").set(report.less_sure_since is not None)

    def close(self) -> None:
        """Stops serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
