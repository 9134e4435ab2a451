"""Block-sparse attention (Child et al., 2019; Zaheer et al., 2020)."""

import keras
from keras import ops

from keras_attn.layers.attention.block_attention import BlockAttention
from keras_attn.ops.blocks import fixed_layout, neighbor_layout, random_layout, strided_layout
from keras_attn.system.argument_checks import check_integer
from keras_attn.system.did_you_mean import did_you_mean

_PATTERNS = ("big_bird", "strided", "fixed")


@keras.saving.register_keras_serializable(package="keras_attn")
class SparseAttention(BlockAttention):
    """`MultiHeadAttention` in which each block of positions attends to a few blocks only.

    The sequence is cut into blocks of `block_size` positions. For each, a layout names the blocks
    that it attends to, and nothing else is computed:

        "big_bird"   its neighbors up to `radius`, and `num_random` blocks at random distances
        "strided"    the last (in an encoder also the next) `stride` blocks, and all whose distance
                     is a multiple of `stride`
        "fixed"      its group of `stride` blocks, and the last block of every group

    All blocks attend to the first `num_global` blocks. Without a causal mask, these also attend to
    all blocks. The cost of "big_bird" grows linearly with the length. The cost of the others grows
    with the length to the power of 1.5, if the stride grows with the square root of the number of
    blocks.

    Masks, dropout, positions, scores and grouped heads are those of `MultiHeadAttention`: the
    result is that of dense attention with the pattern as a mask. With a cache, a step reads the
    whole cache, under the same mask. A short sequence, for which the layout would name nearly all
    blocks, is computed densely if its length is known.

    Hook for subclasses: `block_layout`, for a pattern of your own.

    Args:
        num_heads, key_dim, ...: as in `MultiHeadAttention`.
        pattern: str. `"big_bird"`, `"strided"` or `"fixed"`. Defaults to `"big_bird"`.
        block_size: int. Positions per block. Defaults to 64.
        num_global: int. In blocks. Defaults to 1, as in BigBird; Child et al. have none.
        radius: int. In blocks. Defaults to 1.
        num_random: int. In blocks. Defaults to 2.
        stride: int. In blocks. Defaults to 8.
        layout_seed: int. Seed of the random distances. Defaults to 0.

    Raises:
        ValueError: if the pattern is not known, or query and value have different lengths.

    Example:
    >>> layer = keras_attn.layers.SparseAttention(num_heads=2, key_dim=4, block_size=2)
    >>> layer(keras.ops.ones((3, 15, 8))).shape
    TensorShape([3, 15, 8])

    References:
        - [Child et al., 2019](https://arxiv.org/abs/1904.10509).
        - [Zaheer et al., 2020](https://arxiv.org/abs/2007.14062).
    """

    def __init__(
        self,
        *args,
        pattern="big_bird",
        block_size=64,
        num_global=1,
        radius=1,
        num_random=2,
        stride=8,
        layout_seed=0,
        **kwargs,
    ):
        super().__init__(
            *args, block_size=block_size, global_length=block_size * num_global, **kwargs
        )
        if pattern not in _PATTERNS:
            raise ValueError(
                f"`pattern` must be one of {list(_PATTERNS)}. Received: pattern={pattern!r}."
                f"{did_you_mean(pattern, _PATTERNS)}"
            )
        self.pattern = pattern
        self.num_global = num_global
        self.radius = check_integer("radius", radius, minimum=0)
        self.num_random = check_integer("num_random", num_random, minimum=0)
        self.stride = check_integer("stride", stride)
        self.layout_seed = check_integer("layout_seed", layout_seed, minimum=0)

    def block_layout(self, num_blocks, is_causal):
        if self.pattern == "strided":
            return strided_layout(num_blocks, self.stride, is_causal)
        if self.pattern == "fixed":
            return fixed_layout(num_blocks, self.stride)
        near = neighbor_layout(num_blocks, self.radius, is_causal)
        far = random_layout(num_blocks, self.num_random, self.radius, is_causal, self.layout_seed)
        return ops.concatenate([near, far], axis=1)

    def get_config(self):
        return {
            **super().get_config(),
            "pattern": self.pattern,
            "block_size": self.block_size,
            "radius": self.radius,
            "num_global": self.num_global,
            "num_random": self.num_random,
            "stride": self.stride,
            "layout_seed": self.layout_seed,
        }
