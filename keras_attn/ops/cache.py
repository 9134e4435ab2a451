"""Writing into a key or value cache of fixed length."""

from typing import Any

from keras import ops

Tensor = Any


def write_cache(cache: Tensor, update: Tensor, index: Tensor) -> Tensor:
    """Writes `update` at positions `index`, `index + 1`, ... of the cache.

    A one-hot `where` instead of a slice update: it is as fast at these sizes, keeps every shape
    static, and lowers to stock operations that a model server runs with XLA switched off.

    Args:
        cache: float, (B, H, S, K).
        update: float, (B, H, T, K).
        index: int scalar. Position of the first row that is written.

    Returns:
        The new cache, (B, H, S, K).

    Example:
    >>> cache = write_cache(keras.ops.zeros((1, 1, 3, 1)), keras.ops.ones((1, 1, 1, 1)), 1)
    >>> cache.numpy().ravel().tolist()
    [0.0, 1.0, 0.0]
    """
    offsets = ops.arange(ops.shape(cache)[2], dtype="int32") - ops.cast(index, "int32")  # (S,)
    if update.shape[2] == 1:
        return ops.where(ops.equal(offsets, 0)[:, None], update, cache)
    length = ops.shape(update)[2]
    written = ops.logical_and(offsets >= 0, offsets < length)[:, None]  # (S, 1)
    moved = ops.take(update, ops.clip(offsets, 0, length - 1), axis=2)  # (B, H, S, K)
    return ops.where(written, moved, cache)
