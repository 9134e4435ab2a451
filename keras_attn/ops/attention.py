"""Scaled dot-product attention (Vaswani et al., 2017, Section 3.2.1, Equation 1)."""

from collections.abc import Callable
from typing import Any

from keras import ops

from keras_attn.ops.attention_products import (
    query_key_products,
    softmax_over_keys,
    weighted_values,
)
from keras_attn.ops.dense_tensors import check_dense

Tensor = Any

# Far below any logit, but finite, so a row without an allowed key stays free of NaN.
MASKED_LOGIT = -1e9


def attention_logits(query: Tensor, key: Tensor, scale: float | None = None) -> Tensor:
    """Similarity of every query with every key, `scale * Q K^T`.

    Args:
        query: float, (..., T, K).
        key: float, (..., S, K).
        scale: float. Defaults to `1 / sqrt(K)`.

    Returns:
        float32, (..., T, S), whatever the dtype of the inputs.

    Example:
    >>> attention_logits(keras.ops.ones((2, 3, 4)), keras.ops.ones((2, 5, 4))).numpy()[0, 0, 0]
    np.float32(2.0)
    """
    _check_vectors(query=query, key=key)
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    # The queries are scaled, not the products: there are S times fewer of them.
    query = query * ops.cast(scale, query.dtype)
    return ops.cast(query_key_products(query, key), "float32")


def masked_softmax(logits: Tensor, attention_mask: Tensor | None = None) -> Tensor:
    """Softmax over the keys that may be attended to, in float32.

    Args:
        logits: float, (..., T, S).
        attention_mask: bool, broadcastable to (..., T, S). True = may attend.

    Returns:
        float32, (..., T, S). Each row sums to 1; a row that may attend to nothing is all zeros.

    Example:
    >>> mask = keras.ops.array([[True, True, False], [False, False, False]])
    >>> masked_softmax(keras.ops.zeros((2, 3)), mask).numpy().tolist()
    [[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]]
    """
    logits = ops.cast(logits, "float32")
    if attention_mask is None:
        return softmax_over_keys(logits)
    weights = softmax_over_keys(ops.where(attention_mask, logits, MASKED_LOGIT))
    return ops.where(attention_mask, weights, 0.0)


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None = None,
    scale: float | None = None,
    dropout: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """Computes `softmax(Q K^T / sqrt(K)) V` (Eq. 1), with the softmax in float32.

    Args:
        query: float, (..., T, K).
        key: float, (..., S, K).
        value: float, (..., S, V).
        attention_mask: bool, broadcastable to (..., T, S). True = may attend.
        scale: float. Defaults to `1 / sqrt(K)`.
        dropout: callable. Applied to the weights before they multiply the values; the returned
            weights are those before dropout.

    Returns:
        The attended values, (..., T, V), in the dtype of `value`, and the attention weights,
        float32, (..., T, S).

    Example:
    >>> output, weights = scaled_dot_product_attention(
    ...     keras.ops.ones((2, 3, 4)), keras.ops.ones((2, 5, 4)), keras.ops.ones((2, 5, 6)))
    >>> output.shape, weights.shape
    (TensorShape([2, 3, 6]), TensorShape([2, 3, 5]))

    References:
        - [Vaswani et al., 2017](https://arxiv.org/abs/1706.03762), Section 3.2.1.
    """
    _check_vectors(query=query, key=key, value=value)
    check_dense(attention_mask=attention_mask)
    weights = masked_softmax(attention_logits(query, key, scale), attention_mask)
    kept = weights if dropout is None else dropout(weights)
    return weighted_values(ops.cast(kept, value.dtype), value), weights


def _check_vectors(**tensors: Tensor) -> None:
    """Raises ValueError unless each is a dense tensor of shape (..., length, size)."""
    check_dense(**tensors)
    for name, tensor in tensors.items():
        if len(tensor.shape) < 2:
            raise ValueError(
                f"`{name}` must be of shape (..., length, size). "
                f"Received: shape={tuple(tensor.shape)}."
            )
