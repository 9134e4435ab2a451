"""Reports on each version in a log: traffic, latency, faults, and what has moved since when."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_attn.serving.monitoring.drift import FeatureDrift, compare_traffic
from keras_attn.serving.monitoring.features import FEATURES
from keras_attn.serving.monitoring.line_facts import LineFacts
from keras_attn.serving.monitoring.page_hinkley import PageHinkley
from keras_attn.serving.monitoring.traffic_statistics import TrafficStatistics

# In log-probability per token, which differs between lines by about 0.4: a move of 0.3 is found
# after about 100 lines.
_DELTA, _THRESHOLD = 0.1, 20.0
_RECENT_WINDOWS = 10
_PERCENTILES = (50, 95, 99)


@dataclasses.dataclass(frozen=True)
class VersionReport:
    """The traffic of one version.

    Args:
        version: int or None. None for lines whose version is not known.
        lines: int. All its lines in the log.
        window: `TrafficStatistics`. Of the newest lines.
        seconds: dict of int to float. Percentiles of the request times of the newest lines.
        drift: list of `FeatureDrift`. The window compared with the reference, worst first.
        since: dict of feature to float. For each feature that has moved, the time of the first line
            of the earliest window since which it has been in alarm. Seconds since 1970.
        less_sure_since: float or None. When the mean log-probability per token began to fall, if it
            did within the newest 10 windows.

    Example:

    >>> [one.version for one in report_traffic([], TrafficStatistics())]
    []
    """

    version: int | None
    lines: int
    window: TrafficStatistics
    seconds: dict[int, float]
    drift: list[FeatureDrift]
    since: dict[str, float]
    less_sure_since: float | None

    @property
    def name(self) -> str:
        """The version, for people."""
        return "unknown version" if self.version is None else f"version {self.version}"

    @property
    def latency(self) -> str:
        """The percentiles, for people."""
        return ", ".join(f"p{p} {value * 1000:.0f} ms" for p, value in self.seconds.items())

    @property
    def faults(self) -> str:
        """The visible faults of the window, for people, most frequent first."""
        found = self.window.faults.most_common()
        return ", ".join(f"{count:,} {fault}" for fault, count in found)

    @property
    def has_moved(self) -> bool:
        """Whether anything needs attention."""
        return bool(self.alarms) or self.less_sure_since is not None

    @property
    def alarms(self) -> list[FeatureDrift]:
        """The features that have moved."""
        return [one for one in self.drift if one.is_alarm]

    def to_dict(self) -> dict[str, Any]:
        """A JSON object."""
        drift = [
            {**dataclasses.asdict(one), "alarm": one.is_alarm, "since": self.since.get(one.name)}
            for one in self.drift
        ]
        return {
            "version": self.version,
            "lines": self.lines,
            "window": self.window.lines,
            "seconds": {f"p{name}": value for name, value in self.seconds.items()},
            "faults": dict(self.window.faults),
            "drift": drift,
            "less_sure_since": self.less_sure_since,
        }


def report_traffic(
    lines: Sequence[LineFacts], reference: TrafficStatistics, window: int = 200
) -> list[VersionReport]:
    """Reports on each version in a log.

    Args:
        lines: sequence of `LineFacts`, in order of time.
        reference: `TrafficStatistics`. What the model was made for.
        window: int. How many of the newest lines are judged. With fewer lines, only large moves can
            be told from chance.

    Returns:
        list of `VersionReport`, the newest version first.

    Raises:
        ValueError: if `window` is below 1, or the reference has no lines.

    Example:

    >>> report_traffic([], TrafficStatistics())
    []
    """
    if window < 1:
        raise ValueError(f"`window` must be at least 1. Received: {window}.")
    versions: dict[int | None, list[LineFacts]] = defaultdict(list)
    for line in lines:
        versions[line.version].append(line)
    newest_first = sorted(versions, key=lambda version: -1 if version is None else version)[::-1]
    return [_report(version, versions[version], reference, window) for version in newest_first]


def _report(
    version: int | None, lines: list[LineFacts], reference: TrafficStatistics, window: int
) -> VersionReport:
    newest = lines[-window:]
    statistics = TrafficStatistics.of(newest)
    drift = compare_traffic(reference, statistics)
    seconds = [line.seconds for line in newest if line.seconds is not None]
    values = np.percentile(seconds, _PERCENTILES).tolist() if seconds else []
    return VersionReport(
        version,
        len(lines),
        statistics,
        dict(zip(_PERCENTILES, values, strict=False)),
        drift,
        _since({one.name for one in drift if one.is_alarm}, lines, reference, window),
        _less_sure_since(lines[-_RECENT_WINDOWS * window :]),
    )


def _since(
    moved: set[str], lines: list[LineFacts], reference: TrafficStatistics, window: int
) -> dict[str, float]:
    """Goes back window by window while the features are still in alarm."""
    since: dict[str, float] = {}
    end = len(lines)
    while moved and end > 0:
        part = lines[max(0, end - window) : end]
        found = compare_traffic(reference, TrafficStatistics.of(part))
        moved = moved & {one.name for one in found if one.is_alarm}
        since.update(dict.fromkeys(moved, part[0].time))
        end -= window
    return since


def _less_sure_since(lines: list[LineFacts]) -> float | None:
    test = PageHinkley(_DELTA, _THRESHOLD)
    value_of = FEATURES["log_probability_per_token"].value
    known = [(line, value_of(line)) for line in lines]
    some = [(line, value) for line, value in known if value is not None]
    start = 0  # of the test: it begins again after a rise
    for i, (_, value) in enumerate(some):
        if test.update(value) and test.since is not None:
            if test.has_fallen:
                return some[min(start + test.since, i)][0].time
            test, start = PageHinkley(_DELTA, _THRESHOLD), i + 1
    return None
