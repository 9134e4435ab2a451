"""Attention of blocks to a few other blocks: the base of sparse and local attention."""

from keras import ops

from keras_attn.layers.attention.multi_head_attention import MultiHeadAttention
from keras_attn.layers.position.attention_position import Positions
from keras_attn.ops.blocks import (
    block_matrix,
    blocks_of_pairs,
    gather_blocks,
    is_in_layout,
    join_blocks,
    num_blocks_of,
    split_blocks,
)
from keras_attn.ops.masks import combine_masks
from keras_attn.system.argument_checks import check_integer


class BlockAttention(MultiHeadAttention):
    """`MultiHeadAttention` in which each block of positions attends to only a few others.

    The result is that of dense attention with the layout as a mask. A subclass defines the layout
    in `block_layout`. All positions attend to the first `global_length` positions. Without a causal
    mask, these also attend to all positions. With a cache, a step reads the whole cache, under the
    same mask. A short sequence, for which the layout would name nearly all blocks, is computed
    densely if its length is known.

    Args:
        block_size: int. Positions per block, P.
        global_length: int. In positions.
        *args, **kwargs: as in `MultiHeadAttention`.
    """

    def __init__(self, *args, block_size, global_length, **kwargs):
        super().__init__(*args, **kwargs)
        self._refuse_keras_hook()
        self.block_size = check_integer("block_size", block_size)
        self.global_length = check_integer("global_length", global_length, minimum=0)

    def block_layout(self, num_blocks, is_causal):
        """The blocks that each block attends to besides the global ones. The hook to override.

        So that padding changes nothing, a row should not depend on the number of blocks.

        Args:
            num_blocks: int or int scalar tensor. Number of blocks of the sequence, N.
            is_causal: bool. Whether later blocks are masked; then they need not be named.

        Returns:
            int32, (N, M). Blocks that do not exist, or are named twice, do not count.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement `block_layout`.")

    def _layout(self, num_blocks, is_causal):
        """`block_layout`, and the global blocks after it."""
        layout = self.block_layout(num_blocks, is_causal)
        num_global = num_blocks_of(self.global_length, self.block_size)
        global_blocks = layout[:, :1] * 0 + ops.arange(num_global, dtype="int32")
        return ops.concatenate([layout, global_blocks], axis=1)

    def cross_attention(self, name):
        """Dense attention: blocks of two different sequences are not neighbors."""
        return self._dense_cross_attention(name)

    # Without a cache: blocks

    def _attend(self, query, key_value, masks, cache, training, needs_scores):
        if cache is None:
            key_value = _of_one_length(query, key_value)
        if cache is not None or self._is_short(query.shape[2], masks.is_causal):
            return super()._attend(query, key_value, masks, cache, training, needs_scores)
        length = ops.shape(query)[2]
        num_blocks = num_blocks_of(length, self.block_size)
        layout = self._layout(num_blocks, masks.is_causal)
        key, value = self._full_heads(key_value)
        positions = self._block_positions(num_blocks, layout)
        mask = self._block_mask(masks, layout, positions, length)
        options = {} if self.position is None else {"positions": positions}
        outputs, scores = self.attend(
            split_blocks(query, self.block_size),
            self._gather(split_blocks(key, self.block_size), layout, masks.is_causal),
            self._gather(split_blocks(value, self.block_size), layout, masks.is_causal),
            mask,
            training,
            **options,
        )
        outputs = join_blocks(outputs, length)
        scores = self._scores_of_pairs(scores, layout, length) if needs_scores else None
        return self._attend_globally(
            query, (key, value), masks, training, needs_scores, (outputs, scores)
        )

    def _is_short(self, length, is_causal):
        """Whether the layout of a sequence would name nearly all blocks, if its length is known."""
        if not isinstance(length, int):
            return False
        num_blocks = num_blocks_of(length, self.block_size)
        return num_blocks <= self._layout(num_blocks, is_causal).shape[1]

    def _gather(self, blocks, layout, is_causal):
        """Keys or values of the blocks in the layout: (B, H, N, P, K) -> (B, H, N, M * P, K)."""
        return gather_blocks(blocks, layout)

    def _block_positions(self, num_blocks, layout):
        """`Positions` of (N, P) queries and (N, M * P) keys."""
        within = ops.arange(self.block_size, dtype="int32")
        query = ops.arange(num_blocks, dtype="int32")[:, None] * self.block_size + within
        key = layout[:, :, None] * self.block_size + within  # (N, M, P)
        return Positions(query, ops.reshape(key, (num_blocks, -1)))

    def _block_mask(self, masks, layout, positions, length):
        """All masks, and the mask of what exists, broadcastable to (B, H, N, P, M * P)."""
        exists = ops.repeat(is_in_layout(layout), self.block_size, axis=1)  # (N, M * P)
        exists = ops.logical_and(exists, positions.key < length)
        keys, queries, pairs = masks.of_keys, masks.query, masks.of_pairs
        if keys is not None:
            keys = split_blocks(keys, self.block_size, axis=1)
            keys = gather_blocks(keys, layout, axis=1)[:, None, :, None, :]
        if queries is not None:
            queries = split_blocks(queries, self.block_size, axis=1)[:, None, ..., None]
        if pairs is not None:
            pairs = ops.broadcast_to(pairs, (*ops.shape(pairs)[:-2], length, length))
            pairs = blocks_of_pairs(pairs, layout, self.block_size)
        causal = positions.distances <= 0 if masks.is_causal else None
        near = self._near(positions)
        return combine_masks(exists[:, None, :], keys, queries, pairs, causal, near)

    def _near(self, positions):
        """bool, (..., T, S): which pairs a sliding window allows, or None for all."""
        if self.sliding_window is None:
            return None
        is_near = ops.abs(positions.distances) < self.sliding_window
        return ops.logical_or(is_near, positions.key[..., None, :] < self.global_length)

    def _scores_of_pairs(self, scores, layout, length):
        """(B, H, N, P, M * P) -> (B, H, T, S)."""
        num_blocks, num_chosen = ops.shape(layout)
        columns = ops.arange(num_blocks, dtype="int32")
        places = ops.equal(layout[:, :, None], columns)
        places = ops.logical_and(places, is_in_layout(layout)[:, :, None])
        shape = ops.shape(scores)
        scores = ops.reshape(scores, (*shape[:4], num_chosen, self.block_size))
        scores = ops.einsum("bhnpmq,nmk->bhnpkq", scores, ops.cast(places, scores.dtype))
        scores = join_blocks(join_blocks(scores, length, axis=4), length)
        return scores

    def _attend_globally(self, query, key_value, masks, training, needs_scores, results):
        """Replaces the rows of global blocks, which attend to everything."""
        if masks.is_causal or not self.global_length:
            return results
        count, (key, value) = self.global_length, key_value
        first = query[:, :, :count]
        outputs, scores = results
        dense = masks._replace(
            query=None if masks.query is None else masks.query[:, :count],
            attention=_first_rows(masks.of_pairs, count),
        )
        mask = dense.join(ops.shape(first)[2], ops.shape(key)[2])
        options = self._positions(first, key)
        first, first_scores = self.attend(first, key, value, mask, training, **options)
        outputs = ops.concatenate([first, outputs[:, :, count:]], axis=2)
        if needs_scores:
            scores = ops.concatenate([first_scores, scores[:, :, count:]], axis=2)
        return outputs, scores

    # With a cache, or for a short sequence: a mask

    def _pattern(self, query_length, key_length, is_causal, start_index=0):
        layout = self._layout(num_blocks_of(key_length, self.block_size), is_causal)
        query = ops.arange(query_length, dtype="int32") + start_index
        positions = Positions(query, ops.arange(key_length, dtype="int32"))
        rows = ops.take(block_matrix(layout), positions.query // self.block_size, axis=0)
        pattern = ops.take(rows, positions.key // self.block_size, axis=1)
        pattern = combine_masks(pattern, self._near(positions))
        if is_causal or not self.global_length:
            return pattern
        return ops.logical_or(pattern, positions.query[:, None] < self.global_length)


def _first_rows(pairs, count):
    """The first rows of a mask, (B, H, T, S), unless it has one row for all."""
    return pairs if pairs is None or pairs.shape[-2] == 1 else pairs[..., :count, :]


def _of_one_length(query, key_value):
    """Keys and values of the queries' length; an error if they have another one."""
    lengths = (query.shape[2], key_value["key"].shape[2])
    if None in lengths:  # a graph finds out when it runs: this fails unless the lengths are equal
        length = ops.shape(query)[2]
        return {
            name: ops.reshape(rows, (*ops.shape(rows)[:2], length, rows.shape[3]))
            for name, rows in key_value.items()
        }
    if all(isinstance(length, int) for length in lengths) and lengths[0] != lengths[1]:
        raise ValueError(
            "Queries and keys must be positions of one sequence. For attention to another "
            f"sequence, use MultiHeadAttention. Received: {lengths[0]} queries, {lengths[1]} keys."
        )
    return key_value
