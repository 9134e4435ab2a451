"""Local attention: a sliding window at linear cost (Beltagy et al., 2020)."""

import keras
from keras import ops

from keras_attn.layers.attention.block_attention import BlockAttention
from keras_attn.ops.blocks import (
    gather_blocks,
    gather_neighbors,
    neighbor_layout,
    num_blocks_of,
)
from keras_attn.system.argument_checks import check_integer

_SMALLEST_BLOCK = 16


@keras.saving.register_keras_serializable(package="keras_attn")
class LocalAttention(BlockAttention):
    """`MultiHeadAttention` with a sliding window, at a cost that grows linearly with the length.

    Every position attends to the positions that are fewer than `sliding_window` away, and to the
    first `num_global` positions. Without a causal mask, these attend to all positions, as in
    Longformer. The
    result is that of dense attention with this mask, as `MultiHeadAttention(sliding_window=...)`
    computes it; here only the blocks that a window reaches are computed.

    Masks, dropout, positions, scores, grouped heads and the cache are as in `SparseAttention`.

    Args:
        num_heads, key_dim, ...: as in `MultiHeadAttention`.
        sliding_window: int. In tokens. Defaults to 128.
        num_global: int. In tokens. Defaults to 0.

    Raises:
        ValueError: if query and value have different lengths, or `sliding_window` is not an integer
            of at least 1.

    Example:
    >>> layer = keras_attn.layers.LocalAttention(num_heads=2, key_dim=4, sliding_window=3)
    >>> layer(keras.ops.ones((3, 100, 8))).shape
    TensorShape([3, 100, 8])

    References:
        - [Beltagy et al., 2020](https://arxiv.org/abs/2004.05150), Section 3.1.
    """

    def __init__(self, *args, sliding_window=128, num_global=0, **kwargs):
        sliding_window = check_integer("sliding_window", sliding_window)
        super().__init__(
            *args,
            sliding_window=sliding_window,
            block_size=max(_SMALLEST_BLOCK, sliding_window),
            global_length=num_global,
            **kwargs,
        )
        self.num_global = num_global

    @property
    def _radius(self):
        return num_blocks_of(self.sliding_window - 1, self.block_size)

    def block_layout(self, num_blocks, is_causal):
        return neighbor_layout(num_blocks, self._radius, is_causal)

    def _gather(self, blocks, layout, is_causal):
        near = gather_neighbors(blocks, self._radius, is_causal)
        if not self.global_length:
            return near
        num_neighbors = near.shape[3] // self.block_size
        return ops.concatenate([near, gather_blocks(blocks, layout[:, num_neighbors:])], axis=3)

    def get_config(self):
        return {**super().get_config(), "num_global": self.num_global}
