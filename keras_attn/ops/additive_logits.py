"""Similarity by a small network (Bahdanau et al., 2015, Section A.1.2)."""

from typing import Any

from keras import ops

Tensor = Any


def additive_logits(query: Tensor, key: Tensor, weights: Tensor) -> Tensor:
    """Similarity of every query with every key, `v . tanh(q + k)`.

    Args:
        query: float, (B, T, K). Projected queries, `W_a s`.
        key: float, (B, S, K). Projected keys, `U_a h`.
        weights: float, (K,). The vector v.

    Returns:
        float32, (B, T, S), whatever the dtype of the inputs.

    Example:
    >>> query, key = keras.ops.zeros((2, 3, 4)), keras.ops.zeros((2, 5, 4))
    >>> additive_logits(query, key, keras.ops.ones(4)).shape
    TensorShape([2, 3, 5])
    """
    hidden = ops.tanh(query[:, :, None] + key[:, None])  # (B, T, S, K)
    return ops.cast(ops.sum(hidden * weights, axis=-1), "float32")
