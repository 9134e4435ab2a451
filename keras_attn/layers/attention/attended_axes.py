"""Attention over axes other than the second of three."""

from collections.abc import Sequence
from typing import Any

from keras import ops

from keras_attn.ops.axes import merge_axes, restore_axes

Tensor = Any


class AttendedAxes:
    """Merges the attended axes into one and all others into the batch, and restores the results.

    Args:
        axes: int. The attended axes of the query, and of value and key.
        query: float, (batch..., attended..., D).
        value: float, (batch..., attended..., D).
    """

    def __init__(self, axes: Sequence[int], query: Tensor, value: Tensor) -> None:
        self.axes = axes
        self._query_sizes = ops.shape(query)[:-1]
        self._value_sizes = ops.shape(value)[:-1]
        self._batch_sizes = [
            size for axis, size in enumerate(self._query_sizes) if axis not in axes
        ]
        self._attended_sizes = [
            sizes[axis] for sizes in (self._query_sizes, self._value_sizes) for axis in axes
        ]

    def merge(self, tensor: Tensor | None, num_trailing: int = 1) -> Tensor | None:
        """(batch..., attended..., D) -> (B, T, D); a mask has no trailing axis."""
        return None if tensor is None else merge_axes(tensor, self.axes, num_trailing)

    def merge_mask(self, mask: Tensor | None) -> Tensor | None:
        """An attention mask, (batch..., T..., S...), as (B, T, S).

        With an axis for the heads, (batch..., H, T..., S...), it becomes (B, H, T, S). A mask
        (B, T, S) applies to all other batch axes, as in Keras: (B, 1, ..., T, S). Sizes of 1 are
        repeated.
        """
        if mask is None:
            return None
        sizes, num_batch = list(ops.shape(mask)), len(self._batch_sizes)
        given, attended = sizes[: -2 * len(self.axes)], sizes[-2 * len(self.axes) :]
        batch, heads = given[:num_batch], given[num_batch:]
        batch += [1] * (num_batch - len(batch))
        mask = ops.reshape(mask, (*batch, *heads, *attended))
        mask = ops.broadcast_to(mask, (*self._batch_sizes, *heads, *self._attended_sizes))
        lengths = (self._length(self._query_sizes), self._length(self._value_sizes))
        return ops.reshape(mask, (-1, *heads, *lengths))

    def restore(self, outputs: Tensor) -> Tensor:
        """(B, T, D) -> (batch..., attended..., D), the axes in the query's order."""
        return restore_axes(outputs, self.axes, self._query_sizes)

    def restore_scores(self, scores: Tensor | None) -> Tensor | None:
        """(B, H, T, S) -> (batch..., H, T..., S...); None (not needed) stays None."""
        if scores is None:
            return None
        return ops.reshape(scores, (*self._batch_sizes, scores.shape[1], *self._attended_sizes))

    def _length(self, sizes: Sequence[Any]) -> Any:
        length = 1
        for axis in self.axes:
            length = length * sizes[axis]
        return length


def attended_axes(rank: int, attention_axes: Sequence[int] | None) -> tuple[int, ...] | None:
    """The axes that attend, or None in the ordinary case: the second of (B, T, D).

    Args:
        rank: int. Number of axes of the query.
        attention_axes: int. As given to the layer. None: all but the first and the last.

    Returns:
        tuple of int or None.

    Raises:
        ValueError: if the query has no such axis, an axis is the last one, or is given twice.

    Example:
    >>> attended_axes(4, None), attended_axes(4, (-2,)), attended_axes(3, None)
    ((1, 2), (2,), None)
    """
    axes = attention_axes or tuple(range(1, rank - 1))
    axes = tuple(axis if axis >= 0 else rank + axis for axis in axes)
    if len(set(axes)) < len(axes) or not all(0 <= axis < rank - 1 for axis in axes):
        raise ValueError(
            "`attention_axes` must be different axes of the query, without its last. "
            f"Received: attention_axes={attention_axes}, a query of {rank} axes."
        )
    return None if rank == 3 and axes == (1,) else axes
