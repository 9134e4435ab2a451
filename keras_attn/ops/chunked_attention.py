"""Exact attention whose memory grows linearly with the length (Rabe and Staats, 2021)."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from keras import ops

from keras_attn.ops.attention import MASKED_LOGIT

Tensor = Any


def chunked_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    key_mask: Tensor | None = None,
    is_causal: bool = False,
    chunk_size: int = 512,
) -> Tensor:
    """`softmax(Q K^T / sqrt(K)) V` (Eq. 1), one chunk of keys after the other.

    What is kept of the chunks before is the greatest logit of each query, the sum of the
    exponentials, and the sum of the values. The gradient computes the weights of each chunk anew.
    So T times `chunk_size` weights are in memory at a time, instead of T times S.

    Args:
        query: float, (B, H, T, K).
        key: float, (B, H, S, K). S must be known.
        value: float, (B, H, S, V).
        key_mask: bool, (B, S), or None. True = may be attended to.
        is_causal: bool. Whether no query attends to a later key.
        chunk_size: int. Keys of a chunk, C.

    Returns:
        float, (B, H, T, V), in the dtype of `value`. A query that may attend to nothing gives
        zeros.

    Example:
    >>> x = keras.ops.ones((2, 3, 10, 4))
    >>> chunked_attention(x, x, x, chunk_size=4).shape
    TensorShape([2, 3, 10, 4])

    References:
        - [Rabe and Staats, 2021](https://arxiv.org/abs/2112.05682).
        - [Dao et al., 2022](https://arxiv.org/abs/2205.14135), Section 3.1, the gradient.
    """
    dtype, num_queries = value.dtype, ops.shape(query)[2]

    def attend(query, key, value):
        def chunks():
            return _chunks(key, value, key_mask, is_causal, chunk_size, num_queries)

        outputs, normalizer = _forward(query, chunks())

        def gradient(*arguments, upstream=None):  # Keras' backends hand it over in two ways
            (upstream,) = arguments if upstream is None else (upstream,)
            return _backward(query, chunks(), outputs, normalizer, upstream)

        return outputs, gradient

    query = ops.cast(query, "float32") * query.shape[-1] ** -0.5
    key, value = ops.cast(key, "float32"), ops.cast(value, "float32")
    return ops.cast(ops.custom_gradient(attend)(query, key, value), dtype)


class _Chunk(NamedTuple):
    """Keys, (B, H, C, K), values, (B, H, C, V), and whether queries may attend to them."""

    key: Tensor
    value: Tensor
    allowed: Tensor


def _chunks(
    key: Tensor,
    value: Tensor,
    key_mask: Tensor | None,
    is_causal: bool,
    chunk_size: int,
    num_queries: Tensor,
) -> Iterator[_Chunk]:
    """The keys and values of one chunk after the other."""
    queries = ops.arange(num_queries, dtype="int32")[:, None]
    for start in range(0, key.shape[2], chunk_size):
        chunk = slice(start, start + chunk_size)
        keys = ops.arange(start, min(start + chunk_size, key.shape[2]), dtype="int32")
        allowed = keys <= queries if is_causal else keys >= 0
        if key_mask is not None:
            allowed = ops.logical_and(allowed, key_mask[:, None, None, chunk])
        yield _Chunk(key[:, :, chunk], value[:, :, chunk], allowed)


def _forward(query: Tensor, chunks: Iterable[_Chunk]) -> tuple[Tensor, Tensor]:
    """The attended values, (B, H, T, V), and the logarithm of each row's sum, (B, H, T, 1)."""
    greatest = total = ops.zeros_like(query[..., :1])
    outputs = 0.0
    for key, value, allowed in chunks:
        # The greatest logit so far is subtracted inside of the product. So each chunk needs the one
        # before it, and a plain graph cannot compute all products at once, and keep them all.
        row = ops.concatenate([query, -greatest], axis=-1)
        column = ops.concatenate([key, ops.ones_like(key[..., :1])], axis=-1)
        logits = ops.matmul(row, ops.swapaxes(column, -1, -2))
        logits = ops.where(allowed, logits, MASKED_LOGIT)
        rise = ops.max(logits, axis=-1, keepdims=True)
        is_first = ops.logical_and(total == 0.0, rise > 0.5 * MASKED_LOGIT)
        rise = ops.where(is_first, rise, ops.maximum(rise, 0.0))
        weights = ops.where(allowed, ops.exp(logits - rise), 0.0)
        fade = ops.exp(-ops.maximum(rise, 0.0))  # without effect as long as the sums are zero
        total = total * fade + ops.sum(weights, axis=-1, keepdims=True)
        outputs = outputs * fade + ops.matmul(weights, value)
        greatest = greatest + rise
    total = ops.where(total > 0.0, total, 1.0)
    return outputs / total, greatest + ops.log(total)


def _backward(
    query: Tensor,
    chunks: Iterable[_Chunk],
    outputs: Tensor,
    normalizer: Tensor,
    upstream: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of query, key and value.

    P = exp(Q K^T - normalizer),   dV = P^T dO,   dS = P (dO V^T - sum(dO O)),
    dQ = dS K,   dK = dS^T Q
    """
    inner = ops.sum(upstream * outputs, axis=-1, keepdims=True)  # (B, H, T, 1)
    query_gradient, key_gradients, value_gradients = ops.zeros_like(query), [], []
    for key, value, allowed in chunks:
        # Zero, but known only after the chunk before: see `_forward`.
        zero = ops.minimum(ops.abs(query_gradient[..., :1]), 0.0)
        logits = ops.matmul(query + zero, ops.swapaxes(key, -1, -2)) - normalizer
        weights = ops.exp(ops.where(allowed, logits, MASKED_LOGIT))
        change = weights * (ops.matmul(upstream, ops.swapaxes(value, -1, -2)) - inner)
        value_gradients.append(ops.matmul(ops.swapaxes(weights, -1, -2), upstream))
        key_gradients.append(ops.matmul(ops.swapaxes(change, -1, -2), query))
        query_gradient = query_gradient + ops.matmul(change, key)
    return (
        query_gradient,
        ops.concatenate(key_gradients, axis=2),
        ops.concatenate(value_gradients, axis=2),
    )
