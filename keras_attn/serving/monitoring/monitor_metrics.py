"""The results of `keras-attn monitor` as Prometheus metrics, for alerts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from keras_attn.serving.monitoring.traffic_report import VersionReport

# Name, description and labels.
_METRICS = (
    ("lines", "Lines in the log.", ["version"]),
    ("latency_seconds", "Of the newest lines.", ["version", "quantile"]),
    ("mean", "Mean of a feature over the newest lines.", ["version", "feature"]),
    ("psi", "Population stability index of a feature.", ["version", "feature"]),
    ("psi_threshold", "The index above which it is an alarm.", ["version", "feature"]),
    ("alarm", "1 if the feature has moved.", ["version", "feature"]),
)


class MonitorMetrics(Collector):
    """Serves the newest reports as Prometheus metrics.

    `keras_attn_lines`, `keras_attn_latency_seconds`, `keras_attn_mean`, `keras_attn_psi`,
    `keras_attn_psi_threshold`, and `keras_attn_alarm`, which is 1 for a feature that has moved.
    Labels: `version`, `feature`, `quantile`.

    Args:
        port: int. 0 for any free one; see `port`.
        host: str. The address to listen at.

    Attributes:
        port: int. The port where the metrics are served, under `/metrics`.

    Raises:
        OSError: if the port is taken.

    Example:

    >>> metrics = MonitorMetrics(port=0)
    >>> metrics.update([])
    >>> metrics.close()
    """

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        # Replaced as a whole: a reader in another thread never sees half a report.
        self._families: list[GaugeMetricFamily] = []
        registry = CollectorRegistry()
        registry.register(self)
        try:
            self._server, self._thread = start_http_server(port, host, registry)
        except OSError as error:
            message = f"{error.strerror}: {host}:{port} for metrics"
            raise OSError(error.errno, message) from error
        self.port: int = self._server.server_port

    def update(self, reports: Sequence[VersionReport]) -> None:
        """Replaces the values.

        Args:
            reports: sequence of `VersionReport`.
        """
        families = {
            name: GaugeMetricFamily(f"keras_attn_{name}", description, labels=labels)
            for name, description, labels in _METRICS
        }
        for report in reports:
            for name, labels, value in _samples(report):
                families[name].add_metric(labels, value)
        self._families = list(families.values())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The newest values; the library calls this for every reader."""
        yield from self._families

    def close(self) -> None:
        """Stops serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _samples(report: VersionReport) -> Iterator[tuple[str, list[str], float]]:
    """Name, labels and value of each sample of a report."""
    version = "unknown" if report.version is None else str(report.version)
    yield "lines", [version], report.lines
    for percent, seconds in report.seconds.items():
        yield "latency_seconds", [version, str(percent / 100)], seconds
    for one in report.drift:
        labels = [version, one.name]
        if one.mean is not None:
            yield "mean", labels, one.mean
        yield "psi", labels, one.population_stability_index
        yield "psi_threshold", labels, one.threshold
        yield "alarm", labels, float(one.is_alarm)
    yield "alarm", [version, "less_sure"], float(report.less_sure_since is not None)
