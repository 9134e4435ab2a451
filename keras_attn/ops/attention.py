"""Scaled dot-product attention (Vaswani et al., 2017, Section 3.2.1, Equation 1)."""

from collections.abc import Callable
from typing import Any

from keras import ops

from keras_attn.ops.dense_tensors import check_dense

Tensor = Any

# Far below any logit, yet finite: a row without a single allowed key stays free of NaN.
MASKED_LOGIT = -1e9

# Queries of a step of decoding: as many as a search usually has hypotheses.
_FEW_QUERIES = 8


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
    if _are_few_queries_of_unknown_rows(query, most=1):
        logits = ops.sum(query * key, axis=-1)[..., None, :]
    elif _are_few_queries(query):
        logits = ops.swapaxes(ops.einsum("...sk,...tk->...st", key, query), -1, -2)
    else:
        logits = ops.einsum("...tk,...sk->...ts", query, key)
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
        return _softmax(logits)
    weights = _softmax(ops.where(attention_mask, logits, MASKED_LOGIT))
    return ops.where(attention_mask, weights, 0.0)


def _softmax(logits: Tensor) -> Tensor:
    if not _are_few_queries_of_unknown_rows(logits):
        return ops.softmax(logits, axis=-1)
    exponentials = ops.exp(logits - ops.max(logits, axis=-1, keepdims=True))
    return exponentials / ops.sum(exponentials, axis=-1, keepdims=True)


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
    _check_vectors(query=query, key=key, value=value)
    check_dense(attention_mask=attention_mask)
    weights = masked_softmax(attention_logits(query, key, scale), attention_mask)
    kept = weights if dropout is None else dropout(weights)
    kept = ops.cast(kept, value.dtype)
    if _are_few_queries_of_unknown_rows(query, most=1):
        output = ops.sum(ops.swapaxes(kept, -1, -2) * value, axis=-2, keepdims=True)
    else:
        output = ops.einsum("...ts,...sv->...tv", kept, value)
    return output, weights


def _check_vectors(**tensors: Tensor) -> None:
    """Raises ValueError unless each is a dense tensor of shape (..., length, size)."""
    check_dense(**tensors)
    for name, tensor in tensors.items():
        if len(tensor.shape) < 2:
            raise ValueError(
                f"`{name}` must be of shape (..., length, size). "
                f"Received: shape={tuple(tensor.shape)}."
            )


def _are_few_queries_of_unknown_rows(tensor: Tensor, most: int = _FEW_QUERIES) -> bool:
    """Whether this is a step of decoding in a graph for any number of rows, such as a server's.

    There a product of many tiny matrices costs more to start than to compute: for one sentence and
    4 heads, attention of one query takes 150 microseconds with TensorFlow's kernels (oneDNN) and 30
    with sums, which in turn take 1.5 times as long for 64 sentences. The softmax of the queries of
    4 hypotheses takes 70, and 25 as a few operations of Eigen; for 64 sentences and 128 keys 180
    against 290. XLA knows the number of rows.
    """
    shape = tensor.shape
    return len(shape) > 2 and shape[0] is None and _is_known(shape[-2]) and shape[-2] <= most


def _are_few_queries(query: Tensor) -> bool:
    """Whether this is, as a rule, a step of beam search.

    There the keys are read from memory once, and in their order if they come first in the product.
    Under XLA that takes 40 instead of 160 microseconds for one sentence, 4 hypotheses and 8 heads
    of 64, while the weights of the base model pass through the processor's cache; in a plain graph
    26 instead of 69 ms for 64 sentences and 32 positions in 6 layers. Elsewhere it is as good.
    """
    length = query.shape[-2]
    return len(query.shape) > 2 and _is_known(length) and 1 < length <= _FEW_QUERIES


def _is_known(size: Any) -> bool:
    """Whether a size is a number: it is None in TensorFlow and a symbol in JAX where it is not."""
    return isinstance(size, int)
