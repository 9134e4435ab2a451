"""Monitors a served model: its traffic, and whether that has changed."""

from keras_attn.serving.monitoring.drift import FeatureDrift, compare_traffic
from keras_attn.serving.monitoring.html_report import write_html
from keras_attn.serving.monitoring.line_facts import LineFacts, describe_line
from keras_attn.serving.monitoring.monitor_metrics import MonitorMetrics
from keras_attn.serving.monitoring.page_hinkley import PageHinkley
from keras_attn.serving.monitoring.redact import redact
from keras_attn.serving.monitoring.reference_statistics import (
    describe_lines,
    read_reference,
    write_reference,
)
from keras_attn.serving.monitoring.server_counts import (
    ServerCounts,
    ServerCountsReader,
    read_server_counts,
)
from keras_attn.serving.monitoring.traffic_log import TrafficLog, read_traffic
from keras_attn.serving.monitoring.traffic_report import VersionReport, report_traffic
from keras_attn.serving.monitoring.traffic_statistics import TrafficStatistics

__all__ = [
    "FeatureDrift",
    "LineFacts",
    "MonitorMetrics",
    "PageHinkley",
    "ServerCounts",
    "ServerCountsReader",
    "TrafficLog",
    "TrafficStatistics",
    "VersionReport",
    "compare_traffic",
    "describe_line",
    "describe_lines",
    "read_reference",
    "read_server_counts",
    "read_traffic",
    "redact",
    "report_traffic",
    "write_html",
    "write_reference",
]
