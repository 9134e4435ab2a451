"""Writing into a key or value cache of fixed length."""

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

from keras import ops

Tensor = Any
# (cache (B, H, S, ...), update (B, H, 1, ...), index) -> cache
PositionWriter = Callable[[Tensor, Tensor, Tensor], Tensor]

_position_writer: ContextVar[PositionWriter | None] = ContextVar("position_writer", default=None)


@contextlib.contextmanager
def positions_written_by(writer: PositionWriter) -> Iterator[None]:
    """Lets `write_cache` write single positions with `writer` while a loop is traced.

    It is for code that owns a loop and may overwrite its caches. Keras has no operation for that:
    in a plain TensorFlow graph, every other way of writing copies the cache.

    Args:
        writer: function. `writer(cache, update, index)` takes a cache, (B, H, S, ...), and returns
            it with `update`, (B, H, 1, ...), at position `index`, an int32 scalar.

    Example:
    >>> with positions_written_by(lambda cache, update, index: cache - 1.0):
    ...     cache = write_cache(keras.ops.zeros((1, 1, 2, 1)), keras.ops.ones((1, 1, 1, 1)), 1)
    >>> cache.numpy().ravel().tolist()
    [-1.0, -1.0]
    """
    token = _position_writer.set(writer)
    try:
        yield
    finally:
        _position_writer.reset(token)


def write_cache(cache: Tensor, update: Tensor, index: Tensor) -> Tensor:
    """Writes `update` at positions `index`, `index + 1`, ... of the cache.

    It uses only static shapes and stock operations, which a model server runs with XLA switched
    off. A single position, as in decoding, is written by a scatter. XLA then touches nothing else
    of a cache that a loop carries, while a one-hot `where` or a slice update copies all of it
    (measured under XLA with 64 rows of the base model's 8 heads, 32 positions: 0.03 ms for the
    scatter, 0.5 ms for each of the others).

    Args:
        cache: float, (B, H, S, ...).
        update: float, (B, H, T, ...).
        index: int scalar. Position of the first row that is written; `index + T <= S`.

    Returns:
        The new cache, (B, H, S, ...).

    Example:
    >>> cache = write_cache(keras.ops.zeros((1, 1, 3, 1)), keras.ops.ones((1, 1, 1, 1)), 1)
    >>> cache.numpy().ravel().tolist()
    [0.0, 1.0, 0.0]
    """
    writer = _position_writer.get()
    if writer is not None and update.shape[2] == 1:
        return writer(cache, update, ops.cast(index, "int32"))
    if update.shape[2] == 1:
        return _write_position(cache, ops.squeeze(update, axis=2), ops.cast(index, "int32"))
    offsets = ops.arange(ops.shape(cache)[2], dtype="int32") - ops.cast(index, "int32")  # (S,)
    length = ops.shape(update)[2]
    written = ops.logical_and(offsets >= 0, offsets < length)
    written = ops.reshape(written, (-1, *[1] * (len(cache.shape) - 3)))  # (S, 1, ...)
    moved = ops.take(update, ops.clip(offsets, 0, length - 1), axis=2)  # (B, H, S, ...)
    return ops.where(written, moved, cache)


def _write_position(cache: Tensor, update: Tensor, index: Tensor) -> Tensor:
    """Writes (B, H, ...) at one position of (B, H, S, ...)."""
    batch_size, num_heads = ops.shape(cache)[0], ops.shape(cache)[1]
    sizes = (batch_size, num_heads, 1)
    rows = ops.broadcast_to(ops.arange(batch_size, dtype="int32")[:, None, None], sizes)
    heads = ops.broadcast_to(ops.arange(num_heads, dtype="int32")[None, :, None], sizes)
    indices = ops.concatenate([rows, heads, ops.broadcast_to(index, sizes)], axis=2)  # (B, H, 3)
    update = ops.reshape(update, (-1, *cache.shape[3:]))
    return ops.scatter_update(cache, ops.reshape(indices, (-1, 3)), update)
