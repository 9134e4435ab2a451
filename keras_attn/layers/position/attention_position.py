"""Positions that act inside attention, on queries, keys and weights."""

from typing import Any, NamedTuple

from keras import ops

from keras_attn.layers.dense_inputs import DenseInputs
from keras_attn.layers.plain_config import deserialize_part

Tensor = Any


class Positions(NamedTuple):
    """The positions of a call's queries and keys in the sequence.

    Args:
        query: int32, (..., T).
        key: int32, (..., S). In a cache that W hypotheses share, each position appears W times.
    """

    query: Tensor
    key: Tensor

    @property
    def distances(self) -> Tensor:
        """int32, (..., T, S): positions of the keys minus those of the queries."""
        return self.key[..., None, :] - self.query[..., :, None]


class AttentionPosition(DenseInputs):
    """The base of positions that act inside attention; by itself it does nothing.

    It fills the slot `position` of a stack, of a block, or of `MultiHeadAttention`, whose
    self-attention then calls it. Positions come as tensors, so the same three methods serve whole
    sequences, steps of decoding, and sequences that are cut into blocks. There may be axes between
    H and T; then positions have them as well.

    Example:
    >>> class Fading(AttentionPosition):
    ...     def bias(self, query, positions):
    ...         return -keras.ops.abs(keras.ops.cast(positions.distances, "float32"))
    >>> layer = keras_attn.layers.MultiHeadAttention(num_heads=2, key_dim=4, position=Fading())
    >>> layer(keras.ops.ones((3, 5, 8))).shape
    TensorShape([3, 5, 8])
    """

    def rotate(self, heads: Tensor, positions: Tensor) -> Tensor:
        """Changes queries and keys by their own position, before they meet.

        Args:
            heads: float, (B, H, ..., T, K).
            positions: int32, (..., T).

        Returns:
            float, of the shape of `heads`.
        """
        return heads

    def bias(self, query: Tensor, positions: Positions) -> Tensor | None:
        """What is added to the logits.

        Args:
            query: float, (B, H, ..., T, K). The rotated queries, not scaled.
            positions: `Positions`.

        Returns:
            float32, broadcastable to (B, H, ..., T, S), or None.
        """
        return None

    def values(self, weights: Tensor, positions: Positions) -> Tensor | None:
        """What is added to the attended values.

        Args:
            weights: float, (B, H, ..., T, S). The attention weights, after dropout.
            positions: `Positions`.

        Returns:
            float, (B, H, ..., T, V), or None.
        """
        return None

    @property
    def has_bias(self) -> bool:
        """Whether anything is added to logits or values, so that every pair must be looked at."""
        kind = type(self)
        return (
            kind.bias is not AttentionPosition.bias or kind.values is not AttentionPosition.values
        )

    def build_for(self, num_heads: int, key_dim: int, value_dim: int) -> None:
        """Makes the weights for an attention layer with heads of these sizes."""
        self.build((None, num_heads, None, key_dim))

    def build(self, heads_shape=None):
        self.built = True

    def call(self, heads, start_index=0):
        """`rotate` for a sequence that begins at `start_index`: (B, H, T, K) -> the same shape."""
        positions = ops.arange(ops.shape(heads)[-2], dtype="int32")
        return self.rotate(heads, positions + ops.cast(start_index, "int32"))

    def compute_output_shape(self, heads_shape):
        return tuple(heads_shape)


def positions_of(query: Tensor, key: Tensor, cache: Any = None) -> Positions:
    """The positions of a call of self-attention.

    Args:
        query: float, (B, H, T, K).
        key: float, (B, H, S, K). With a cache, all that it holds.
        cache: `SelfCache` before the call, or None.

    Returns:
        `Positions`.
    """
    query_positions = ops.arange(ops.shape(query)[2], dtype="int32")
    key_positions = ops.arange(ops.shape(key)[2], dtype="int32")
    if cache is None:
        return Positions(query_positions, key_positions)
    if not cache.is_shared:
        return Positions(query_positions + cache.position, key_positions)
    num_beams = cache.beam_mask.shape[3]  # W hypotheses, all at one position
    return Positions(query_positions * 0 + cache.position, key_positions // num_beams)


def as_attention_position(position: Any) -> AttentionPosition | None:
    """The `position` argument of an attention layer: a layer, its serialized config, or None.

    Raises:
        ValueError: if it is none of these, or does not act in attention.
    """
    if isinstance(position, dict):
        position = deserialize_part(position)
    if position is None or isinstance(position, AttentionPosition):
        return position
    raise ValueError(
        "`position` of an attention layer must be one that acts inside attention: a "
        "RotaryEmbedding, RelativePositionBias, ALiBiBias, RelativePositionEmbedding or another "
        f"AttentionPosition, or None. Received: position={position!r}."
    )
