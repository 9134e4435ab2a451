"""Drift: whether the traffic of a model is still what the model was made for."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from keras_attn.serving.monitoring.features import FEATURES
from keras_attn.serving.monitoring.traffic_statistics import TrafficStatistics

# A bin of the reference with a smaller share is joined with the next: rare values make the index
# jump by chance.
_SMALLEST_SHARE = 0.05
# Below this a population is called stable, by the rule of thumb of credit scoring (Siddiqi, 2006).
_STABLE = 0.1
# The normal quantile of one false alarm in 200,000 comparisons.
_QUANTILE = 4.42


@dataclasses.dataclass(frozen=True)
class FeatureDrift:
    """How far the values of a feature have moved.

    Args:
        name: str. One of `FEATURES`.
        population_stability_index: float. 0: the same; above 0.25 it is usually called a shift.
        jensen_shannon: float. Divergence in bits, from 0 to 1.
        l_infinity: float. The largest difference of a bin's share, from 0 to 1.
        threshold: float. A larger index is an alarm: chance does not explain it for so few lines.
        reference_mean: float or None.
        mean: float or None. Of the window.

    Example:

    >>> FeatureDrift("capitals", 2.1, 0.6, 0.8, 0.2, 0.1, 0.9).is_alarm
    True
    """

    name: str
    population_stability_index: float
    jensen_shannon: float
    l_infinity: float
    threshold: float
    reference_mean: float | None
    mean: float | None

    @property
    def is_alarm(self) -> bool:
        """Whether the feature has moved."""
        return self.population_stability_index > self.threshold

    def __str__(self) -> str:
        means = [f"{mean:.3g}" if mean is not None else "-" for mean in self._means]
        return (
            f"{FEATURES[self.name].description}: mean {means[0]} -> {means[1]} "
            f"(PSI {self.population_stability_index:.2f}, alarm above {self.threshold:.2f})"
        )

    @property
    def _means(self) -> tuple[float | None, float | None]:
        return self.reference_mean, self.mean


def compare_traffic(reference: TrafficStatistics, window: TrafficStatistics) -> list[FeatureDrift]:
    """Compares the traffic of a model with what the model was made for.

    The population stability index of shares p (reference) and q (window) is the sum of
    (q - p) ln(q / p). Without drift, and for bins that are not rare, it is distributed as
    (1 / N + 1 / M) times chi-square with one degree of freedom less than bins, for N and M lines
    (Yurdakul, 2018). The threshold is a high quantile of this distribution, and at least 0.1.

    Args:
        reference: `TrafficStatistics`. Of lines like those that the model was made for.
        window: `TrafficStatistics`. Of the lines to judge; 200 or more tell much more than 20.

    Returns:
        list of `FeatureDrift`, the largest index in units of its threshold first.

    Raises:
        ValueError: if one of them has no lines.

    Example:

    >>> compare_traffic(TrafficStatistics(), TrafficStatistics())
    Traceback (most recent call last):
    ValueError: `reference` must have lines. Received: none.
    """
    for name, statistics in (("reference", reference), ("window", window)):
        if not statistics.lines:
            raise ValueError(f"`{name}` must have lines. Received: none.")
    found = [_compare(name, reference, window) for name in FEATURES]
    return sorted(found, key=lambda one: -one.population_stability_index / one.threshold)


def population_stability_index(reference: Sequence[int], window: Sequence[int]) -> float:
    """The index of two histograms. An empty bin counts as half a line.

    Args:
        reference: sequence of int. Counts.
        window: sequence of int. Counts of the same bins.

    Returns:
        float.

    Example:

    >>> round(population_stability_index([50, 50], [80, 20]), 3)
    0.416
    """
    p, q = (np.maximum(counts, 0.5) / max(1, sum(counts)) for counts in (reference, window))
    return float(np.sum((q - p) * np.log(q / p)))


def jensen_shannon(reference: Sequence[int], window: Sequence[int]) -> float:
    """The Jensen-Shannon divergence of two histograms, in bits.

    Args:
        reference: sequence of int. Counts.
        window: sequence of int. Counts of the same bins.

    Returns:
        float. From 0 to 1.

    Example:

    >>> jensen_shannon([5, 0], [0, 7])
    1.0
    """
    p, q = (np.asarray(counts, float) / max(1, sum(counts)) for counts in (reference, window))
    middle = (p + q) / 2

    def divergence(share: np.ndarray) -> float:
        some = share > 0
        return float(np.sum(share[some] * np.log2(share[some] / middle[some])))

    return max(0.0, (divergence(p) + divergence(q)) / 2)


def _compare(name: str, reference: TrafficStatistics, window: TrafficStatistics) -> FeatureDrift:
    before, after = reference.counts[name], window.counts[name]
    joined_before, joined_after = _join_rare_bins(before, after)
    sizes = (max(1, sum(before)), max(1, sum(after)))
    shares = np.asarray(before) / sizes[0], np.asarray(after) / sizes[1]
    return FeatureDrift(
        name,
        population_stability_index(joined_before, joined_after),
        jensen_shannon(before, after),
        float(np.max(np.abs(shares[0] - shares[1]))),
        max(_STABLE, _chance(len(joined_before) - 1) * (1 / sizes[0] + 1 / sizes[1])),
        reference.mean(name),
        window.mean(name),
    )


def _join_rare_bins(before: Sequence[int], after: Sequence[int]) -> tuple[list[int], list[int]]:
    """Joins neighboring bins until each has a large enough share of the reference.

    Values below or above all those of the reference get their own bins: any value there is new.
    """
    below = next((i for i, count in enumerate(before) if count), 0)
    joined_before, joined_after = _join(before[below:], after[below:])
    if sum(after[:below]):
        return [0, *joined_before], [sum(after[:below]), *joined_after]
    return joined_before, joined_after


def _join(before: Sequence[int], after: Sequence[int]) -> tuple[list[int], list[int]]:
    least = _SMALLEST_SHARE * sum(before)
    joined: list[tuple[int, int]] = []
    one, other = 0, 0
    for count, count_after in zip(before, after, strict=True):
        one, other = one + count, other + count_after
        if one >= max(1, least):
            joined.append((one, other))
            one, other = 0, 0
    if one or other or not joined:
        joined.append((one, other))
    return [pair[0] for pair in joined], [pair[1] for pair in joined]


def _chance(degrees: int) -> float:
    """The quantile of chi-square, by the cube of a normal one (Wilson and Hilferty, 1931)."""
    degrees = max(1, degrees)
    spread = 2 / (9 * degrees)
    return float(degrees * (1 - spread + _QUANTILE * spread**0.5) ** 3)
