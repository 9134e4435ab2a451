"""Boolean masks, True = real token / may attend (Vaswani et al., 2017, Section 3.2.3)."""

from typing import Any

from keras import ops

from keras_attn.ops.dense_tensors import check_dense

Tensor = Any


def padding_mask(token_ids: Tensor, pad_token_id: int = 0) -> Tensor:
    """Marks the real tokens.

    Args:
        token_ids: int, (B, S).
        pad_token_id: int. The id that fills short rows. Defaults to `0`.

    Returns:
        bool, (B, S). True where `token_ids` is a real token.

    Example:
    >>> padding_mask(keras.ops.array([[7, 9, 0]])).numpy().tolist()
    [[True, True, False]]
    """
    check_dense(token_ids=token_ids)
    return ops.not_equal(token_ids, pad_token_id)


def _distance(query_length: Tensor, key_length: Tensor, start_index: Tensor) -> Tensor:
    """Position of each query minus the position of each key: int32, (T, S)."""
    query_positions = ops.arange(query_length, dtype="int32") + ops.cast(start_index, "int32")
    return query_positions[:, None] - ops.arange(key_length, dtype="int32")[None, :]


def causal_mask(
    query_length: Tensor, key_length: Tensor | None = None, start_index: Tensor = 0
) -> Tensor:
    """Lets every position attend to itself and to what came before it.

    Args:
        query_length: int. Number of query positions, T.
        key_length: int. Number of key positions, S. Defaults to `query_length`.
        start_index: int. Position of the first query among the keys, for step-by-step decoding.

    Returns:
        bool, (T, S). True where the key is not after the query.

    Example:
    >>> causal_mask(2, 3, start_index=1).numpy().astype(int).tolist()
    [[1, 1, 0], [1, 1, 1]]
    """
    key_length = query_length if key_length is None else key_length
    return ops.greater_equal(_distance(query_length, key_length, start_index), 0)


def sliding_window_mask(
    query_length: Tensor, key_length: Tensor, window: int, start_index: Tensor = 0
) -> Tensor:
    """Lets every position attend to keys fewer than `window` positions away, on both sides.

    Args:
        query_length: int. Number of query positions, T.
        key_length: int. Number of key positions, S.
        window: int. In tokens. Keys at this distance or farther are out of reach.
        start_index: int. Position of the first query among the keys.

    Returns:
        bool, (T, S).

    Example:
    >>> sliding_window_mask(3, 3, window=2).numpy().astype(int).tolist()
    [[1, 1, 0], [1, 1, 1], [0, 1, 1]]
    """
    return ops.less(ops.abs(_distance(query_length, key_length, start_index)), window)


def beam_mask(history: Tensor, num_beams: int) -> Tensor:
    """Lets the hypotheses of a sentence attend to their own past, in a cache that they share.

    The W hypotheses of a sentence write their keys and values side by side, each into its own slot.
    When hypotheses change slots, the keys and values stay where they were written, and the history
    tells whose they are.

    Args:
        history: int, (B * W, S). For each hypothesis, with the W of a sentence adjacent: the slot
            that it or its ancestor had at each position; -1 for future positions.
        num_beams: int. Number of slots, W.

    Returns:
        bool, (B, W, S, W). True where hypothesis w may attend to what slot w' wrote at position s.

    Example:
    >>> beam_mask(keras.ops.array([[1, 0, -1], [1, 1, -1]]), 2)[0, 0].numpy().astype(int).tolist()
    [[0, 1], [1, 0], [0, 0]]
    """
    mask = ops.equal(history[:, :, None], ops.arange(num_beams, dtype=history.dtype))
    return ops.reshape(mask, (-1, num_beams, ops.shape(history)[1], num_beams))


def combine_masks(*masks: Tensor | None) -> Tensor | None:
    """Logical "and" of masks of broadcastable shapes; `None` stands for "all may attend".

    Args:
        *masks: bool tensors or None.

    Returns:
        bool tensor, or None if every mask is None.

    Example:
    >>> mask = combine_masks(None, causal_mask(2), padding_mask(keras.ops.array([[5, 0]])))
    >>> mask.numpy().astype(int).tolist()
    [[1, 0], [1, 0]]
    """
    check_dense(**{f"masks[{index}]": mask for index, mask in enumerate(masks)})
    combined = None
    for mask in masks:
        if mask is not None:
            mask = ops.cast(mask, "bool")
            combined = mask if combined is None else ops.logical_and(combined, mask)
    return combined
