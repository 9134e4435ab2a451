"""Drift: quiet where nothing has changed, and loud where something has; measures beside SciPy's."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pytest

from keras_attn.serving.monitoring import (
    LineFacts,
    PageHinkley,
    TrafficStatistics,
    compare_traffic,
)
from keras_attn.serving.monitoring.drift import (
    _chance,
    _join_rare_bins,
    jensen_shannon,
    population_stability_index,
)

LINE = LineFacts(0.0, 1, 0.1, 40, 0.05, 0.0, 9, 10, 0, -4.0, False)


def lines(count: int, seed: int, **shift: float) -> list[LineFacts]:
    """Lines of random numbers, shifted by some."""
    generator = random.Random(seed)
    made = []
    for _ in range(count):
        tokens = max(1, round(generator.lognormvariate(2.2, 0.4)))
        one = dataclasses.replace(
            LINE,
            characters=max(1, round(tokens * generator.gauss(4.5, 0.5))),
            capitals=abs(generator.gauss(0.05, 0.03)),
            source_tokens=tokens,
            target_tokens=max(1, round(tokens * generator.gauss(1.1, 0.15))),
            log_probability=-tokens * abs(generator.gauss(0.4, 0.2)),
            faults=("number",) if generator.random() < 0.03 else (),
        )
        moved = {name: getattr(one, name) + value for name, value in shift.items()}
        made.append(dataclasses.replace(one, **moved))
    return made


def alarms(reference: list[LineFacts], window: list[LineFacts]) -> set[str]:
    before, after = TrafficStatistics.of(reference), TrafficStatistics.of(window)
    return {one.name for one in compare_traffic(before, after) if one.is_alarm}


def test_windows_of_the_same_kind_are_quiet() -> None:
    reference = lines(2000, seed=1)
    assert [alarms(reference, lines(200, seed)) for seed in range(2, 102)] == [set()] * 100


@pytest.mark.parametrize(
    ("shift", "feature"),
    [
        ({"capitals": 0.1}, "capitals"),
        ({"not_ascii": 0.1}, "not_ascii"),
        ({"source_tokens": 6}, "source_tokens"),
        ({"log_probability": -4}, "log_probability_per_token"),
        ({"characters": 25}, "characters_per_token"),
        ({"target_tokens": 6}, "length_ratio"),
        ({"unknown_tokens": 2}, "unknown_share"),
        ({"truncated": 1}, "truncated"),
    ],
)
def test_what_moves_is_found_in_the_first_window(shift, feature) -> None:
    assert feature in alarms(lines(2000, seed=1), lines(200, seed=2, **shift))


def test_the_worst_comes_first_and_says_what_has_moved() -> None:
    reference, window = lines(2000, seed=1), lines(200, seed=2, capitals=0.5)
    found = compare_traffic(TrafficStatistics.of(reference), TrafficStatistics.of(window))
    assert found[0].name == "capitals"
    assert str(found[0]).startswith("share of letters that are capitals: mean 0.05")


def test_small_windows_raise_no_alarm_by_chance() -> None:
    reference = lines(2000, seed=1)
    assert [alarms(reference, lines(20, seed)) for seed in range(200, 260)] == [set()] * 60


def test_measures_are_those_of_scipy() -> None:
    distance = pytest.importorskip("scipy.spatial.distance")
    stats = pytest.importorskip("scipy.stats")
    p, q = [40, 30, 20, 10], [5, 30, 45, 20]
    assert jensen_shannon(p, q) == pytest.approx(distance.jensenshannon(p, q, base=2) ** 2)
    a, b = np.asarray(p) / 100, np.asarray(q) / 100
    expected = stats.entropy(a, b) + stats.entropy(b, a)  # PSI: divergence both ways
    assert population_stability_index(p, q) == pytest.approx(expected)
    # The approximation is on the safe side, and close for several degrees of freedom.
    for degrees, tolerance in ((1, 0.13), (4, 0.05), (9, 0.03)):
        exact = stats.chi2.ppf(stats.norm.cdf(4.42), degrees)
        assert exact < _chance(degrees) < (1 + tolerance) * exact


def test_measures_by_hand() -> None:
    # (0.8 - 0.5) ln(0.8 / 0.5) + (0.2 - 0.5) ln(0.2 / 0.5)
    assert population_stability_index([50, 50], [80, 20]) == pytest.approx(0.41589, abs=1e-5)
    assert jensen_shannon([1, 0], [0, 1]) == 1.0 and jensen_shannon([3, 4], [3, 4]) == 0.0


def test_rare_bins_are_joined_and_news_has_a_bin_of_its_own() -> None:
    assert _join_rare_bins([1, 1, 98, 0], [0, 3, 4, 5]) == ([100, 0], [7, 5])
    assert _join_rare_bins([0, 0, 98, 2], [2, 3, 4, 5]) == ([0, 98, 2], [5, 4, 5])
    assert _join_rare_bins([0, 9], [0, 7]) == ([9], [7])
    assert _join_rare_bins([50, 50], [1, 2]) == ([50, 50], [1, 2])
    assert _join_rare_bins([0, 0], [0, 0]) == ([0], [0])


def test_statistics_are_written_and_read() -> None:
    statistics = TrafficStatistics.of(lines(50, seed=3))
    read = TrafficStatistics.from_dict(statistics.to_dict())
    assert read == statistics and read.lines == 50
    assert read.mean("source_tokens") == pytest.approx(
        np.mean([one.source_tokens for one in lines(50, seed=3)])
    )
    for damaged in ({}, {**statistics.to_dict(), "format": 0}, {"format": 1, "counts": []}):
        with pytest.raises(ValueError, match="Statistics must be as"):
            TrafficStatistics.from_dict(damaged)


def test_lines_without_tokens_have_no_ratios() -> None:
    empty = dataclasses.replace(LINE, characters=0, source_tokens=0, target_tokens=0)
    statistics = TrafficStatistics.of([empty])
    assert statistics.mean("length_ratio") is None and statistics.lines == 1


class TestPageHinkley:
    def test_a_mean_that_stays_is_quiet(self) -> None:
        generator = random.Random(1)
        test = PageHinkley(delta=0.1, threshold=20)
        assert not any(test.update(generator.gauss(-0.4, 0.3)) for _ in range(5000))

    @pytest.mark.parametrize("move", [-0.5, 0.5])
    def test_a_move_is_found_with_its_beginning(self, move) -> None:
        generator = random.Random(2)
        test = PageHinkley(delta=0.1, threshold=20)
        values = [generator.gauss(0, 0.3) + (move if i >= 500 else 0) for i in range(700)]
        found = [test.update(value) for value in values].index(True)
        assert 500 < found < 600 and abs(test.since - 500) < 15
        assert test.has_fallen == (move < 0)

    def test_it_alarms_when_river_does(self) -> None:
        drift = pytest.importorskip("river.drift")
        generator = random.Random(3)
        values = [generator.gauss(0.8 if i >= 300 else 0.0, 0.4) for i in range(500)]
        theirs = drift.PageHinkley(min_instances=30, delta=0.05, threshold=20, alpha=1.0)
        ours = PageHinkley(delta=0.05, threshold=20)
        for value in values:
            theirs.update(value)
            assert ours.update(value) == theirs.drift_detected
            if theirs.drift_detected:
                break
        else:
            pytest.fail("neither found the move")
