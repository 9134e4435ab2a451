"""Shapes are few, hold every segment, and waste as little as any choice of shapes could."""

import itertools
import time

import numpy as np
import pytest

from keras_attn.data import assign_buckets, choose_shapes


def positions_of(lengths, edges, batch_tokens, rows_multiple) -> int:
    """What batches with these shape lengths take in all, counted one segment after another."""
    total = 0
    for low, high in itertools.pairwise([0, *edges]):
        rows = max(rows_multiple, batch_tokens // high - batch_tokens // high % rows_multiple)
        members = sum(low < length <= high for length in lengths)
        batches = 0
        while members > 0:
            members -= rows
            batches += 1
        total += batches * rows * high
    return total


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("num_buckets", [1, 2, 3, 5])
def test_no_other_choice_of_shapes_takes_fewer_positions(seed, num_buckets):
    generator = np.random.default_rng(seed)
    lengths = generator.integers(1, 33, size=generator.integers(1, 90)).tolist()
    batch_tokens, rows_multiple = 70, 2
    candidates = sorted({-(-length // 4) * 4 for length in lengths})
    best = min(
        positions_of(lengths, edges, batch_tokens, rows_multiple)
        for count in range(1, num_buckets + 1)
        for edges in itertools.combinations(candidates, count)
        if edges[-1] == candidates[-1]
    )
    shapes = choose_shapes(lengths, batch_tokens, num_buckets, rows_multiple)
    edges = [length for _, length in shapes]
    assert len(shapes) <= num_buckets
    assert positions_of(lengths, edges, batch_tokens, rows_multiple) == best


def test_rows_and_lengths_keep_to_their_multiples_and_to_the_budget():
    lengths = np.random.default_rng(1).integers(1, 120, 5000)
    shapes = choose_shapes(lengths, 3000, num_buckets=7, rows_multiple=6, length_multiple=5)
    assert [length for _, length in shapes] == sorted({length for _, length in shapes})
    for rows, length in shapes:
        assert rows % 6 == 0 and length % 5 == 0
        assert rows * length <= 3000 < (rows + 6) * length
    assert shapes[-1][1] >= lengths.max() > shapes[-1][1] - 5


def test_segments_longer_than_the_budget_still_get_the_fewest_rows():
    assert choose_shapes([1000], batch_tokens=64, rows_multiple=8) == [(8, 1000)]


def test_more_shapes_never_take_more_positions():
    lengths = np.random.default_rng(2).lognormal(2.5, 0.6, 20_000).astype(int) + 1
    totals = []
    for num_buckets in range(1, 13):
        shapes = choose_shapes(lengths, 2048, num_buckets)
        rows, edges = np.array(shapes).T
        counts = np.bincount(assign_buckets(lengths, shapes))
        totals.append(int((-(-counts // rows) * rows * edges).sum()))
    assert totals == sorted(totals, reverse=True)
    assert totals[7] < 0.5 * totals[0]


def test_very_many_different_lengths_are_planned_quickly_and_still_fit():
    lengths = np.random.default_rng(3).integers(1, 50_000, 300_000)
    start = time.perf_counter()
    shapes = choose_shapes(lengths, 100_000, num_buckets=12)
    assert time.perf_counter() - start < 2.0
    assert len(shapes) == 12
    assert assign_buckets(lengths, shapes).max() == 11


def test_a_segment_gets_the_shortest_shape_that_holds_it():
    shapes = [(8, 4), (4, 8), (2, 20)]
    assert assign_buckets([1, 4, 5, 8, 9, 20], shapes).tolist() == [0, 0, 1, 1, 2, 2]
    with pytest.raises(ValueError, match="`lengths` must be at most 20.*Received: 21"):
        assign_buckets([21], shapes)


@pytest.mark.parametrize(
    "argument", ["batch_tokens", "num_buckets", "rows_multiple", "length_multiple"]
)
def test_options_must_be_positive(argument):
    with pytest.raises(ValueError, match=f"`{argument}` must be positive. Received: 0"):
        choose_shapes([3], **{"batch_tokens": 8, argument: 0})


def test_without_segments_there_are_no_shapes():
    with pytest.raises(ValueError, match="`lengths`"):
        choose_shapes([], 64)
