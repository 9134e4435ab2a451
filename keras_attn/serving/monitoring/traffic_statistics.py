"""Histograms of the traffic of a model: small, for any number of lines."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from keras_attn.serving.monitoring.features import FEATURES
from keras_attn.serving.monitoring.line_facts import LineFacts

_FORMAT = 1


@dataclasses.dataclass
class TrafficStatistics:
    """The histogram of each feature, over some lines.

    Args:
        lines: int.
        counts: dict of feature to list of int: how many lines fell into each bin.
        sums: dict of feature to float: the sum of its values.
        faults: Counter of str. How many translations had each fault.

    Example:

    >>> TrafficStatistics.of([]).lines
    0
    """

    lines: int = 0
    counts: dict[str, list[int]] = dataclasses.field(
        default_factory=lambda: {name: [0] * (len(one.edges) + 1) for name, one in FEATURES.items()}
    )
    sums: dict[str, float] = dataclasses.field(default_factory=lambda: dict.fromkeys(FEATURES, 0.0))
    faults: Counter[str] = dataclasses.field(default_factory=Counter)

    @classmethod
    def of(cls, lines: Iterable[LineFacts]) -> TrafficStatistics:
        """The statistics of lines.

        Args:
            lines: iterable of `LineFacts`.

        Returns:
            `TrafficStatistics`.
        """
        statistics = cls()
        for line in lines:
            statistics.add(line)
        return statistics

    def add(self, line: LineFacts) -> None:
        """Counts one more line.

        Args:
            line: `LineFacts`.
        """
        self.lines += 1
        self.faults.update(line.faults)
        for name, feature in FEATURES.items():
            value = feature.value(line)
            if value is not None:
                self.counts[name][feature.bin(value)] += 1
                self.sums[name] += value

    def mean(self, name: str) -> float | None:
        """The mean of a feature, or None without a value.

        Args:
            name: str. One of `FEATURES`.

        Returns:
            float or None.
        """
        count = sum(self.counts[name])
        return self.sums[name] / count if count else None

    def to_dict(self) -> dict[str, Any]:
        """A JSON object."""
        return {"format": _FORMAT, **dataclasses.asdict(self), "faults": dict(self.faults)}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> TrafficStatistics:
        """Reads what `to_dict` wrote.

        Args:
            content: mapping.

        Returns:
            `TrafficStatistics`.

        Raises:
            ValueError: if it is something else, or of another version.
        """
        problem = None
        try:
            sizes = {name: len(counts) for name, counts in content["counts"].items()}
            expected = {name: len(one.edges) + 1 for name, one in FEATURES.items()}
            if content["format"] != _FORMAT or sizes != expected:
                problem = "they are of another version"
            values = (content["lines"], content["counts"], content["sums"])
            faults = Counter(content["faults"])
        except (KeyError, TypeError, AttributeError) as error:
            problem = f"{type(error).__name__}: {error}"
        if problem is not None:
            raise ValueError(
                f"Statistics must be as `TrafficStatistics.to_dict` writes them. Received: "
                f"{problem}. Write them again."
            )
        return cls(*values, faults)
