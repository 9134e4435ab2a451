"""Watching a model that is served: what goes through it, and whether that has changed."""

from keras_attn.serving.monitoring.drift import FeatureDrift, compare_traffic
from keras_attn.serving.monitoring.line_facts import LineFacts, describe_line
from keras_attn.serving.monitoring.page_hinkley import PageHinkley
from keras_attn.serving.monitoring.traffic_log import TrafficLog, read_traffic
from keras_attn.serving.monitoring.traffic_statistics import TrafficStatistics

__all__ = [
    "FeatureDrift",
    "LineFacts",
    "PageHinkley",
    "TrafficLog",
    "TrafficStatistics",
    "compare_traffic",
    "describe_line",
    "read_traffic",
]
