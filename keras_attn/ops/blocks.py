"""Sequences that are cut into blocks, and which blocks attend to which."""

from typing import Any

import numpy as np
from keras import ops

Tensor = Any

_PRIME = 8191  # large enough that distances look random, and int32 still holds the products
_LONGEST_JUMP = 32


def num_blocks_of(length: Tensor, block_size: int) -> Tensor:
    """Number of blocks that hold `length` positions; the last one may be partly filled.

    Example:
    >>> num_blocks_of(5, block_size=2)
    3
    """
    return (length + block_size - 1) // block_size


def split_blocks(sequence: Tensor, block_size: int, axis: int = 2) -> Tensor:
    """Cuts an axis into blocks, and fills up the last one with zeros.

    Args:
        sequence: (..., T, ...).
        block_size: int. Positions per block, P.
        axis: int. The axis of T.

    Returns:
        (..., N, P, ...).

    Example:
    >>> split_blocks(keras.ops.ones((1, 1, 3, 4)), block_size=2).shape
    TensorShape([1, 1, 2, 2, 4])
    """
    length = ops.shape(sequence)[axis]
    num_blocks = num_blocks_of(length, block_size)
    missing = num_blocks * block_size - length
    if not (isinstance(missing, int) and missing == 0):
        shape = list(ops.shape(sequence))
        shape[axis] = missing
        zeros = ops.zeros(shape, dtype=sequence.dtype)
        sequence = ops.concatenate([sequence, zeros], axis=axis)
    shape = ops.shape(sequence)
    return ops.reshape(sequence, (*shape[:axis], num_blocks, block_size, *shape[axis + 1 :]))


def join_blocks(blocks: Tensor, length: Tensor, axis: int = 2) -> Tensor:
    """Undoes `split_blocks`: (..., N, P, ...) -> (..., T, ...).

    Example:
    >>> join_blocks(keras.ops.ones((1, 1, 2, 2, 4)), length=3).shape
    TensorShape([1, 1, 3, 4])
    """
    shape = ops.shape(blocks)
    joined = (*shape[:axis], shape[axis] * shape[axis + 1], *shape[axis + 2 :])
    index = (*[slice(None)] * axis, slice(None, length))
    return ops.reshape(blocks, joined)[index]


def gather_blocks(blocks: Tensor, layout: Tensor, axis: int = 2) -> Tensor:
    """The blocks that each block attends to, side by side.

    Args:
        blocks: (..., N, P, ...).
        layout: int, (N, M). Indices of blocks; an index out of range gives an arbitrary block.
        axis: int. The axis of N.

    Returns:
        (..., N, M * P, ...).

    Example:
    >>> layout = neighbor_layout(3, radius=1)
    >>> gather_blocks(keras.ops.ones((1, 1, 3, 2, 4)), layout).shape
    TensorShape([1, 1, 3, 6, 4])
    """
    num_blocks = ops.shape(blocks)[axis]
    gathered = ops.take(blocks, ops.clip(layout, 0, num_blocks - 1), axis=axis)
    shape = ops.shape(gathered)
    merged = (*shape[: axis + 1], shape[axis + 1] * shape[axis + 2], *shape[axis + 3 :])
    return ops.reshape(gathered, merged)


def gather_neighbors(blocks: Tensor, radius: int, is_causal: bool, axis: int = 2) -> Tensor:
    """`gather_blocks` for `neighbor_layout`, by shifts: their gradient is much cheaper.

    Blocks that do not exist are zeros.

    Example:
    >>> blocks = keras.ops.reshape(keras.ops.arange(3), (1, 1, 3, 1))
    >>> gather_neighbors(blocks, radius=1, is_causal=True)[0, 0].numpy().tolist()
    [[0, 0], [0, 1], [1, 2]]
    """
    num_blocks = ops.shape(blocks)[axis]
    shape = list(ops.shape(blocks))
    shape[axis] = radius
    edge = ops.zeros(shape, dtype=blocks.dtype)
    padded = ops.concatenate([edge, blocks] if is_causal else [edge, blocks, edge], axis=axis)
    leading = [slice(None)] * axis
    shifts = radius + 1 if is_causal else 2 * radius + 1
    parts = [padded[(*leading, slice(i, i + num_blocks))] for i in range(shifts)]
    return ops.concatenate(parts, axis=axis + 1)


def blocks_of_pairs(pairs: Tensor, layout: Tensor, block_size: int) -> Tensor:
    """Takes the pairs that a layout names from a mask of all pairs.

    Args:
        pairs: bool, (..., T, S).
        layout: int, (N, M).
        block_size: int. P.

    Returns:
        bool, (..., N, P, M * P).

    Example:
    >>> blocks_of_pairs(keras.ops.ones((1, 1, 3, 3), bool), neighbor_layout(2, 1), 2).shape
    TensorShape([1, 1, 2, 2, 6])
    """
    rank = len(pairs.shape)
    rows = split_blocks(ops.cast(pairs, "int32"), block_size, axis=rank - 2)  # (..., N, P, S)
    both = split_blocks(rows, block_size, axis=rank)  # (..., N, P, N, P)
    both = ops.swapaxes(both, -3, -2)  # (..., N, N, P, P)
    shape = ops.shape(both)
    num_blocks, num_chosen = ops.shape(layout)
    flat = ops.reshape(both, (*shape[: rank - 2], num_blocks * num_blocks, block_size, block_size))
    rows_of = ops.arange(num_blocks, dtype="int32")[:, None]
    indices = rows_of * num_blocks + ops.clip(layout, 0, num_blocks - 1)
    chosen = ops.take(flat, indices, axis=rank - 2)  # (..., N, M, P, P)
    chosen = ops.swapaxes(chosen, -3, -2)  # (..., N, P, M, P)
    return ops.cast(
        ops.reshape(
            chosen,
            (*shape[: rank - 2], num_blocks, block_size, num_chosen * block_size),
        ),
        "bool",
    )


def is_in_layout(layout: Tensor) -> Tensor:
    """Which entries of a layout count: blocks that exist, each the first time only.

    Args:
        layout: int, (N, M).

    Returns:
        bool, (N, M).

    Example:
    >>> is_in_layout(keras.ops.array([[-1, 0, 0], [0, 1, 2]])).numpy().astype(int).tolist()
    [[0, 1, 0], [1, 1, 0]]
    """
    num_blocks, num_chosen = ops.shape(layout)
    exists = ops.logical_and(layout >= 0, layout < num_blocks)
    order = ops.arange(num_chosen, dtype="int32")
    is_same = ops.equal(layout[:, :, None], layout[:, None, :])  # (N, M, M)
    is_earlier = order[None, :] < order[:, None]
    is_repeated = ops.any(ops.logical_and(is_same, is_earlier), axis=-1)
    return ops.logical_and(exists, ops.logical_not(is_repeated))


def block_matrix(layout: Tensor) -> Tensor:
    """A layout as a matrix: bool, (N, N), True where block i attends to block j.

    Example:
    >>> block_matrix(neighbor_layout(3, 1)).numpy().astype(int).tolist()
    [[1, 1, 0], [1, 1, 1], [0, 1, 1]]
    """
    columns = ops.arange(ops.shape(layout)[0], dtype="int32")
    return ops.any(ops.equal(layout[:, :, None], columns), axis=1)


# Layouts: int32, (N, M). They may name a block twice, or one that does not exist. So that a padded
# sequence gives the same result, a row does not depend on the number of blocks.


def neighbor_layout(num_blocks: Tensor, radius: int, is_causal: bool = False) -> Tensor:
    """Each block and its neighbors up to `radius` blocks away; if causal, only those before it.

    Example:
    >>> neighbor_layout(2, radius=1).numpy().tolist()
    [[-1, 0, 1], [0, 1, 2]]
    """
    offsets = ops.arange(-radius, 1 if is_causal else radius + 1, dtype="int32")
    return ops.arange(num_blocks, dtype="int32")[:, None] + offsets


def strided_layout(num_blocks: Tensor, stride: int, is_causal: bool = False) -> Tensor:
    """The last and next `stride` blocks, and every block whose distance is a multiple of `stride`.

    Example:
    >>> block_matrix(strided_layout(5, stride=2)).numpy().astype(int)[4].tolist()
    [1, 0, 1, 1, 1]

    References:
        - [Child et al., 2019](https://arxiv.org/abs/1904.10509), Section 4.2, `strided`.
    """
    blocks = ops.arange(num_blocks, dtype="int32")[:, None]
    columns = stride * ops.arange(num_blocks_of(num_blocks, stride), dtype="int32")
    neighbors = neighbor_layout(num_blocks, stride - 1, is_causal)
    return ops.concatenate([neighbors, blocks % stride + columns], axis=1)


def fixed_layout(num_blocks: Tensor, stride: int) -> Tensor:
    """The blocks of the same group of `stride` blocks, and the last block of every group.

    Example:
    >>> block_matrix(fixed_layout(5, stride=2)).numpy().astype(int)[4].tolist()
    [0, 1, 0, 1, 1]

    References:
        - [Child et al., 2019](https://arxiv.org/abs/1904.10509), Section 4.2, `fixed`.
    """
    blocks = ops.arange(num_blocks, dtype="int32")[:, None]
    group = blocks // stride * stride + ops.arange(stride, dtype="int32")
    last = stride * ops.arange(num_blocks_of(num_blocks, stride), dtype="int32") + stride - 1
    return ops.concatenate([group, blocks * 0 + last], axis=1)


def random_layout(
    num_blocks: Tensor, count: int, radius: int, is_causal: bool = False, seed: int = 0
) -> Tensor:
    """Blocks at `count` random distances of more than `radius`, different for each block.

    The distances are drawn with `seed`, up to `radius` + 32, and to both sides unless causal.

    Example:
    >>> random_layout(4, count=2, radius=1).shape
    TensorShape([4, 2])
    """
    numbers = np.random.default_rng(seed).integers(1, _PRIME, (2, count)).astype("int32")
    numbers = ops.convert_to_tensor(numbers)
    blocks = ops.arange(num_blocks, dtype="int32")[:, None]
    drawn = (blocks * numbers[0] + numbers[1]) % _PRIME
    jumps = radius + 1 + drawn // 2 % _LONGEST_JUMP
    is_ahead = ops.logical_and(drawn % 2 == 0, not is_causal)
    return blocks + ops.where(is_ahead, jumps, -jumps)
