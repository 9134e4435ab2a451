"""Functions of the distance between two positions: buckets (T5) and slopes (ALiBi)."""

import math
from typing import Any

import numpy as np
from keras import ops

Tensor = Any


def relative_buckets(
    distances: Tensor, num_buckets: int = 32, max_distance: int = 128, bidirectional: bool = True
) -> Tensor:
    """Puts distances into buckets: one for each near distance, ever wider ones for far distances.

    Of n buckets for a direction, the first n / 2 hold the distances 0, 1, ... The others are spaced
    evenly in the logarithm of the distance; the last holds everything from `max_distance` on.

        bucket(d) = n / 2 + floor(n / 2 * log(2 d / n) / log(2 max_distance / n))

    Args:
        distances: int, of any shape. Positions of the keys minus those of the queries.
        num_buckets: int. Half of them for each direction if `bidirectional`.
        max_distance: int. In tokens.
        bidirectional: bool. Tell keys after the query apart; else all are in bucket 0.

    Returns:
        int32, of the shape of `distances`.

    Example:
    >>> relative_buckets(keras.ops.array([-300, -1, 0, 1, 300])).numpy().tolist()
    [15, 1, 0, 17, 31]

    References:
        - [Raffel et al., 2020](https://arxiv.org/abs/1910.10683), Section 2.1.
    """
    distances = ops.cast(distances, "int32")
    per_direction = num_buckets // 2 if bidirectional else num_buckets
    table = ops.convert_to_tensor(_bucket_table(per_direction, max_distance))
    past = -distances if not bidirectional else ops.abs(distances)
    buckets = ops.take(table, ops.clip(past, 0, max_distance), axis=0)
    if not bidirectional:
        return buckets
    return buckets + per_direction * ops.cast(distances > 0, "int32")


def _bucket_table(num_buckets: int, max_distance: int) -> np.ndarray:
    """The bucket of each distance from 0 to `max_distance`, in float64 so that edges are exact."""
    num_exact = num_buckets // 2
    table = np.arange(max_distance + 1)
    far = table[num_exact:]
    share = np.log(far / num_exact) / math.log(max_distance / num_exact)
    # A distance at the very edge of a bucket belongs to it, whatever the logarithms are rounded to.
    wide = num_exact + np.floor(share * (num_buckets - num_exact) + 1e-9)
    table[num_exact:] = np.minimum(wide, num_buckets - 1)
    return table.astype("int32")


def alibi_slopes(num_heads: int) -> np.ndarray:
    """How fast the attention of each head fades with the distance.

        m_h = 2^(-8 h / H),    h = 1 ... H

    if the number of heads H is a power of two. Otherwise the slopes of the next lower power come
    first, and then every other slope of the next higher one, as in the authors' program.

    Args:
        num_heads: int. Number of heads, H.

    Returns:
        float64 array, (H,).

    Example:
    >>> alibi_slopes(2).tolist(), alibi_slopes(3).tolist()
    ([0.0625, 0.00390625], [0.0625, 0.00390625, 0.25])

    References:
        - [Press et al., 2022](https://arxiv.org/abs/2108.12409), Section 3.
    """
    lower = 2 ** int(math.floor(math.log2(num_heads)))
    slopes = 2.0 ** (-8.0 * np.arange(1, lower + 1) / lower)
    between = 2.0 ** (-8.0 * np.arange(1, 2 * lower + 1, 2) / (2 * lower))
    return np.concatenate([slopes, between[: num_heads - lower]])
