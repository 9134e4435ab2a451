"""Attention over several axes at once: those axes become one, all others become the batch."""

from collections.abc import Sequence
from typing import Any

from keras import ops

Tensor = Any


def merge_axes(tensor: Tensor, axes: Sequence[int], num_trailing: int = 1) -> Tensor:
    """Reshapes (batch..., attended..., trailing...) to (B, T, trailing...).

    Args:
        tensor: tensor. Its axes may be in any order before the trailing ones.
        axes: int. The attended axes, none of them trailing.
        num_trailing: int. Number of last axes that stay as they are.

    Returns:
        The batch axes merged into one, then the attended axes merged into one.

    Example:
    >>> merge_axes(keras.ops.ones((2, 3, 5, 4)), axes=(1,)).shape
    TensorShape([10, 3, 4])
    """
    rank = len(tensor.shape)
    batch_axes = _batch_axes(rank - num_trailing, axes)
    trailing = list(range(rank - num_trailing, rank))
    tensor = ops.transpose(tensor, batch_axes + list(axes) + trailing)
    shape = ops.shape(tensor)
    attended = _product(shape[len(batch_axes) : rank - num_trailing])
    return ops.reshape(tensor, (-1, attended, *shape[rank - num_trailing :]))


def restore_axes(tensor: Tensor, axes: Sequence[int], original_shape: Sequence[Any]) -> Tensor:
    """Undoes `merge_axes` for a result of shape (B, T, trailing...).

    Args:
        tensor: (B, T, trailing...).
        axes: int. The attended axes of the original.
        original_shape: sizes of the original's axes without its trailing ones.

    Returns:
        The tensor with its first two axes laid out as those of the original.

    Example:
    >>> restore_axes(keras.ops.ones((10, 3, 7)), (1,), (2, 3, 5)).shape
    TensorShape([2, 3, 5, 7])
    """
    order = _batch_axes(len(original_shape), axes) + list(axes)
    trailing = ops.shape(tensor)[2:]
    tensor = ops.reshape(tensor, (*(original_shape[axis] for axis in order), *trailing))
    inverse = sorted(range(len(order)), key=order.__getitem__)
    return ops.transpose(tensor, inverse + list(range(len(order), len(tensor.shape))))


def leading_sizes(tensor: Tensor, num_trailing: int = 1) -> tuple[Any, ...]:
    """The sizes of all but the last axes, in the form that costs `reshape` the least work.

    Args:
        tensor: (B, T, ...), of any rank above `num_trailing`.
        num_trailing: int. Number of last axes that are left out.

    Returns:
        tuple. Known sizes are ints; a single unknown size is -1.

    Example:
    >>> leading_sizes(keras.ops.ones((2, 3, 4)))
    (2, 3)
    """
    known = list(tensor.shape)[: len(tensor.shape) - num_trailing]
    if known.count(None) == 0:
        return tuple(known)
    if known.count(None) == 1:
        return tuple(-1 if size is None else size for size in known)
    return tuple(ops.shape(tensor)[: len(known)])  # without rows, -1 could not be inferred


def _batch_axes(rank: int, axes: Sequence[int]) -> list[int]:
    return [axis for axis in range(rank) if axis not in axes]


def _product(sizes: Sequence[Any]) -> Any:
    product = 1
    for size in sizes:
        product = product * size
    return product
