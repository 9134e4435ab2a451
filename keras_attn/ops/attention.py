"""Scaled dot-product attention (Vaswani et al., 2017, Section 3.2.1, Equation 1)."""

from collections.abc import Callable
from typing import Any

from keras import ops

Tensor = Any

# Far below any logit, yet finite: a row without a single allowed key stays free of NaN.
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
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    # The queries are scaled, not the products: there are S times fewer of them.
    logits = ops.einsum("...tk,...sk->...ts", query * ops.cast(scale, query.dtype), key)
    return ops.cast(logits, "float32")


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
        return ops.softmax(logits, axis=-1)
    weights = ops.softmax(ops.where(attention_mask, logits, MASKED_LOGIT), axis=-1)
    return ops.where(attention_mask, weights, 0.0)


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None = None,
    scale: float | None = None,
    dropout: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """Computes `softmax(Q K^T / sqrt(K)) V` (Eq. 1), the softmax in float32.

    Args:
        query: float, (..., T, K).
        key: float, (..., S, K).
        value: float, (..., S, V).
        attention_mask: bool, broadcastable to (..., T, S). True = may attend.
        scale: float. Defaults to `1 / sqrt(K)`.
        dropout: callable. Applied to the weights before they meet the values; the returned
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
    weights = masked_softmax(attention_logits(query, key, scale), attention_mask)
    kept = weights if dropout is None else dropout(weights)
    output = ops.einsum("...ts,...sv->...tv", ops.cast(kept, value.dtype), value)
    return output, weights
