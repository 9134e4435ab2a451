"""Batches of a few fixed shapes, chosen so that little of them is padding."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

# More candidate lengths gain almost nothing, and the cost of the plan grows with their square.
_MAX_CANDIDATES = 256
LENGTH_MULTIPLE = 4  # of the lengths of batches


def choose_shapes(
    lengths: ArrayLike,
    batch_tokens: int,
    num_buckets: int = 8,
    rows_multiple: int = 8,
    length_multiple: int = LENGTH_MULTIPLE,
) -> list[tuple[int, int]]:
    r"""Chooses a few shapes (rows, length) of batches for segments of these lengths.

    Each shape is compiled separately, so few shapes are better; many shapes need less padding. Each
    segment goes into the shortest shape that holds it, and a batch of a shape has `rows =
    batch_tokens // length` rows, rounded down to a multiple of `rows_multiple`. A shape never has
    fewer than `rows_multiple` rows, so batches of very long segments exceed `batch_tokens`.

    The lengths, rounded up to a multiple of `length_multiple`, are the candidates e(1) < ... <
    e(E), and C(j) counts the segments not longer than e(j). A bucket that reaches from above e(i)
    up to e(j) takes

        cost(i, j) = ceil((C(j) - C(i)) / rows(j)) * rows(j) * e(j)

    positions, including the padding of segments and the empty rows of its last batch. Dynamic
    programming gives the fewest positions for the segments up to e(j) in k buckets:

        best(0, 0) = 0,    best(k, j) = min over i < j of best(k - 1, i) + cost(i, j).

    The result uses the k <= `num_buckets` with the smallest best(k, E), or the smaller k if two are
    equal. The work depends on the number of candidates, not on the number of segments.

    Args:
        lengths: integers (N,). The length of each segment in tokens, special tokens included.
        batch_tokens: int. The largest number of positions in a batch, rows times length.
        num_buckets: int. The largest number of shapes.
        rows_multiple: int. The number of rows of every shape is a multiple of this, such as the
            number of accelerators.
        length_multiple: int. The length of every shape is a multiple of this.

    Returns:
        A list of (rows, length), by ascending length.

    Raises:
        ValueError: `lengths` is empty, or an option is not positive.

    Example:

    >>> choose_shapes([3, 4, 4, 3, 8, 7, 30, 31], batch_tokens=64, num_buckets=2, rows_multiple=2)
    [(8, 8), (2, 32)]
    """
    lengths = np.maximum(np.asarray(lengths, dtype=np.int64).reshape(-1), 1)
    if not lengths.size:
        raise ValueError("`lengths` must hold at least one length. Received: none.")
    for argument, value in (
        ("batch_tokens", batch_tokens),
        ("num_buckets", num_buckets),
        ("rows_multiple", rows_multiple),
        ("length_multiple", length_multiple),
    ):
        if value < 1:
            raise ValueError(f"`{argument}` must be positive. Received: {value}.")
    edges, counts = _candidates(lengths, length_multiple)
    rows = np.maximum(batch_tokens // edges // rows_multiple, 1) * rows_multiple
    chosen = _cheapest_edges(edges, counts, rows, num_buckets)
    return [(int(rows[j]), int(edges[j])) for j in chosen]


def assign_buckets(lengths: ArrayLike, shapes: Sequence[tuple[int, int]]) -> np.ndarray:
    """The index of the shortest shape that holds each segment.

    Args:
        lengths: integers (N,). The lengths. None may exceed the length of the longest shape.
        shapes: sequence of (rows, length), by ascending length.

    Returns:
        Integers (N,), indices into `shapes`.

    Raises:
        ValueError: a segment fits no shape.

    Example:

    >>> assign_buckets([3, 4, 5], [(8, 4), (4, 8)]).tolist()
    [0, 0, 1]
    """
    lengths = np.asarray(lengths, dtype=np.int64)
    limits = np.array([length for _, length in shapes], dtype=np.int64)
    if lengths.size and lengths.max() > limits[-1]:
        raise ValueError(
            f"`lengths` must be at most {limits[-1]}, the length of the longest of `shapes`. "
            f"Received: {lengths.max()}. Add a longer shape."
        )
    return np.searchsorted(limits, lengths, side="left")


def _candidates(lengths: np.ndarray, length_multiple: int) -> tuple[np.ndarray, np.ndarray]:
    """The lengths that a shape may have, ascending, and how many segments round up to each."""
    histogram = np.bincount(-(-lengths // length_multiple))
    units = np.flatnonzero(histogram)
    if len(units) > _MAX_CANDIDATES:
        # Candidates at equal steps through the sorted segments; the longest is always one.
        cumulative = np.cumsum(histogram[units])
        steps = np.linspace(0, cumulative[-1], _MAX_CANDIDATES + 1)[1:]
        units = units[np.unique(np.searchsorted(cumulative, np.ceil(steps), side="left"))]
    counts = np.diff(np.cumsum(histogram)[units], prepend=0)
    return units * length_multiple, counts


def _cheapest_edges(
    edges: np.ndarray, counts: np.ndarray, rows: np.ndarray, num_buckets: int
) -> list[int]:
    """The indices into `edges` that the dynamic program of `choose_shapes` picks, ascending."""
    num_edges = len(edges)
    cumulative = np.concatenate([[0], np.cumsum(counts)])  # (E + 1,): C(0) = 0 ... C(E) = N
    members = cumulative[None, 1:] - cumulative[:, None]  # (E + 1, E): segments of bucket (i, j]
    cost = (-(-members // rows) * rows * edges).astype(np.float64)
    cost[members <= 0] = np.inf
    best = np.full(num_edges + 1, np.inf)
    best[0] = 0.0
    totals, choices = [], []
    for _ in range(min(num_buckets, num_edges)):
        through = best[:, None] + cost  # (E + 1, E)
        choices.append(np.argmin(through, axis=0))
        best = np.concatenate([[np.inf], np.min(through, axis=0)])
        totals.append(best[-1])
    chosen: list[int] = []
    end = num_edges
    for choice in reversed(choices[: int(np.argmin(totals)) + 1]):
        chosen.append(end - 1)
        end = int(choice[end - 1])
    return chosen[::-1]
