"""Exact attention whose memory grows linearly with the length (Rabe and Staats, 2021)."""

from typing import Any

from keras import ops

from keras_attn.ops.attention import attention_logits, masked_softmax
from keras_attn.ops.blocks import join_blocks, split_blocks
from keras_attn.ops.masks import causal_mask, combine_masks

Tensor = Any


def chunked_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    key_mask: Tensor | None = None,
    is_causal: bool = False,
    chunk_size: int = 256,
) -> Tensor:
    """`softmax(Q K^T / sqrt(K)) V` (Eq. 1), one chunk of queries at a time.

    The gradient computes the weights of each chunk again, so none are kept. Only `chunk_size`
    times S weights are in memory at a time, instead of T times S.

    Args:
        query: float, (B, H, T, K). T must be known.
        key: float, (B, H, S, K).
        value: float, (B, H, S, V).
        key_mask: bool, (B, S), or None. True = may be attended to.
        is_causal: bool. If True, no query attends to a later key.
        chunk_size: int. Queries per chunk, C.

    Returns:
        float, (B, H, T, V), in the dtype of `value`. A query that may attend to nothing gives
        zeros.

    Example:
    >>> x = keras.ops.ones((2, 3, 10, 4))
    >>> chunked_attention(x, x, x, chunk_size=4).shape
    TensorShape([2, 3, 10, 4])

    References:
        - [Rabe and Staats, 2021](https://arxiv.org/abs/2112.05682).
    """
    length = query.shape[2]
    chunk_size = min(chunk_size, length)

    def weights_of(chunk: Tensor, index: Tensor, key: Tensor) -> Tensor:
        mask = None if key_mask is None else key_mask[:, None, None]
        causal = None
        if is_causal:
            causal = causal_mask(chunk_size, ops.shape(key)[2], index * chunk_size)
        return masked_softmax(attention_logits(chunk, key), combine_masks(mask, causal))

    def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        def attend_chunk(index: Tensor, outputs: Tensor) -> Tensor:
            chunk = ops.take(chunks, index, axis=0) + _zero(outputs)
            weights = ops.cast(weights_of(chunk, index, key), value.dtype)
            return _put(outputs, index, ops.matmul(weights, value))

        chunks = _split(query, chunk_size)  # (N, B, H, C, K)
        outputs = ops.zeros((*ops.shape(chunks)[:-1], value.shape[-1]), value.dtype)
        return _join(ops.fori_loop(0, chunks.shape[0], attend_chunk, outputs), length)

    def attend_and_gradient(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Any]:
        def gradient(*arguments: Tensor, upstream: Tensor = None) -> tuple[Tensor, ...]:
            # Keras' backends pass it in two ways.
            (upstream,) = arguments if upstream is None else (upstream,)
            return _gradients(query, key, value, upstream, weights_of, chunk_size)

        return attend(query, key, value), gradient

    return ops.custom_gradient(attend_and_gradient)(query, key, value)


def _gradients(
    query: Tensor, key: Tensor, value: Tensor, upstream: Tensor, weights_of: Any, chunk_size: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of query, key and value, summed in float32.

    dV = P^T dO,   dP = dO V^T,   dS = P (dP - sum(P dP)) / sqrt(K),   dQ = dS K,   dK = dS^T Q
    """
    wide_key, wide_value = ops.cast(key, "float32"), ops.cast(value, "float32")
    scale = query.shape[-1] ** -0.5

    def of_chunk(index: Tensor, sums: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        query_gradient, key_gradient, value_gradient = sums
        chunk = ops.take(chunks, index, axis=0) + _zero(ops.cast(key_gradient, query.dtype))
        slope = ops.cast(ops.take(slopes, index, axis=0), "float32")
        weights = weights_of(chunk, index, key)
        change = ops.matmul(slope, _swap(wide_value))
        change = weights * (change - ops.sum(weights * change, axis=-1, keepdims=True)) * scale
        return (
            _put(query_gradient, index, ops.matmul(change, wide_key)),
            key_gradient + ops.matmul(_swap(ops.cast(chunk, "float32")), change),
            value_gradient + ops.matmul(_swap(slope), weights),
        )

    chunks, slopes = _split(query, chunk_size), _split(upstream, chunk_size)
    start = (
        ops.zeros(ops.shape(chunks), "float32"),
        ops.zeros_like(_swap(wide_key)),
        ops.zeros_like(_swap(wide_value)),
    )
    sums = ops.fori_loop(0, chunks.shape[0], of_chunk, start)
    gradients = (_join(sums[0], query.shape[2]), _swap(sums[1]), _swap(sums[2]))
    return tuple(
        ops.cast(gradient, tensor.dtype)
        for gradient, tensor in zip(gradients, (query, key, value), strict=True)
    )


def _swap(matrices: Tensor) -> Tensor:
    return ops.swapaxes(matrices, -1, -2)


def _split(rows: Tensor, chunk_size: int) -> Tensor:
    """(B, H, T, K) -> (N, B, H, C, K); zeros fill up the last chunk."""
    return ops.transpose(split_blocks(rows, chunk_size), (2, 0, 1, 3, 4))


def _join(chunks: Tensor, length: int) -> Tensor:
    """(N, B, H, C, K) -> (B, H, T, K)."""
    return join_blocks(ops.transpose(chunks, (1, 2, 0, 3, 4)), length)


def _put(chunks: Tensor, index: Tensor, chunk: Tensor) -> Tensor:
    """Writes a chunk into its place, by a stock operation that XLA does in place."""
    return ops.scatter_update(chunks, ops.reshape(index, (1, 1)), chunk[None])


def _zero(before: Tensor) -> Tensor:
    """Zero, but known only after the previous chunk.

    Where it can, a plain graph runs several iterations of a loop at once, and would keep the
    weights of all of them. A NaN would spread from one row of the batch to all others.
    """
    first = ops.nan_to_num(ops.reshape(before, (-1,))[0])
    return ops.minimum(ops.abs(first), 0)
