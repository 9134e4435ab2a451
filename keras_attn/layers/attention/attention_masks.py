"""The masks of a call of an attention layer, before they are joined."""

from typing import Any, NamedTuple

from keras import ops

from keras_attn.ops import causal_mask, combine_masks

Tensor = Any


class AttentionMasks(NamedTuple):
    """The masks that a call was given, unchanged.

    Joined, they are as large as the attention weights. A layer whose cost grows linearly with the
    length never joins them all: it takes the parts that it needs.

    Args:
        query: bool, (B, T), or None. value, key: bool, (B, S), or None. True = real token.
        attention: bool, broadcastable to (B, H, T, S), or None. True = may attend.
        is_causal: bool. If True, no position attends to a later one.

    Example:
    >>> AttentionMasks(is_causal=True).join(2, 2).numpy().astype(int).tolist()
    [[1, 0], [1, 1]]
    """

    query: Tensor | None = None
    value: Tensor | None = None
    key: Tensor | None = None
    attention: Tensor | None = None
    is_causal: bool = False

    @property
    def of_keys(self) -> Tensor | None:
        """bool, (B, S): the keys that are real, by the masks of key and value; or None."""
        return combine_masks(self.value, self.key)

    @property
    def of_pairs(self) -> Tensor | None:
        """bool, broadcastable to (B, H, T, S): `attention` with an axis for the heads; or None."""
        if self.attention is not None and len(self.attention.shape) == 3:
            return self.attention[:, None]
        return self.attention

    def keep_queries(self, outputs: Tensor) -> Tensor:
        """Zeros for masked queries: (B, H, T, V) -> the same shape."""
        if self.query is None:
            return outputs
        return ops.where(self.query[:, None, :, None], outputs, ops.cast(0.0, outputs.dtype))

    def join(
        self,
        query_length: Tensor,
        key_length: Tensor,
        start_index: Tensor = 0,
        pattern: Tensor | None = None,
    ) -> Tensor | None:
        """All masks as one.

        Args:
            query_length: int. Number of query positions, T.
            key_length: int. Number of key positions, S.
            start_index: int. Position of the first query among the keys.
            pattern: bool, (T, S), or None. What the layer itself allows.

        Returns:
            bool, broadcastable to (B, H, T, S), or None if there is no mask.
        """
        causal = causal_mask(query_length, key_length, start_index) if self.is_causal else None
        return combine_masks(
            None if self.query is None else self.query[:, None, :, None],
            None if self.value is None else self.value[:, None, None, :],
            None if self.key is None else self.key[:, None, None, :],
            self.of_pairs,
            causal,
            pattern,
        )
