"""Names of `keras.layers.MultiHeadAttention` that other people's code relies on."""

from collections.abc import Callable
from typing import Any

from keras import ops

from keras_attn.ops import causal_mask, combine_masks


def _alias(name: str) -> property:
    """Another name of an attribute, which may also be set, as code that wraps projections does."""
    return property(lambda self: getattr(self, name), lambda self, new: setattr(self, name, new))


class KerasNames:
    """A base of `MultiHeadAttention` with the names that Keras' layer has besides its public ones.

    Code written for Keras' layer reads the projections, and overrides `_compute_attention`, which
    Keras documents as a hook. In new code use `query_dense` and its neighbors, and override
    `attend`.
    """

    attend: Callable
    position: Any

    _query_dense = _alias("query_dense")
    _key_dense = _alias("key_dense")
    _value_dense = _alias("value_dense")
    _gate_dense = _alias("gate_dense")
    _output_dense = _alias("output_dense")
    _num_heads = property(lambda self: self.num_heads)
    _key_dim = property(lambda self: self.key_dim)
    _value_dim = property(lambda self: self.value_dim)
    _use_bias = property(lambda self: self.use_bias)
    _dropout = property(lambda self: self.dropout)
    _output_shape = property(lambda self: self.output_dims)
    _sliding_window = property(lambda self: self.sliding_window)

    def _compute_attention(
        self,
        query,
        key,
        value,
        attention_mask=None,
        training=None,
        return_attention_scores=False,
        use_causal_mask=False,
    ):
        """Keras' hook: `attend` on heads laid out as Keras has them, (B, T, H, K).

        Args:
            query: float, (B, T, H, K). key: float, (B, S, H, K). value: float, (B, S, H, V).
            attention_mask: bool, (B, T, S) or (B, H, T, S), or None.
            training: bool. Whether dropout acts.
            return_attention_scores: bool. No effect: the weights are always returned.
            use_causal_mask: bool.

        Returns:
            The attended values, (B, T, H, V), and the attention weights, (B, H, T, S).
        """
        if attention_mask is not None and len(attention_mask.shape) == 3:
            attention_mask = attention_mask[:, None]
        causal = causal_mask(ops.shape(query)[1], ops.shape(key)[1]) if use_causal_mask else None
        query, key, value = (_swap_heads(heads) for heads in (query, key, value))
        mask = combine_masks(attention_mask, causal)
        outputs, scores = self.attend(query, key, value, mask, training)
        return _swap_heads(outputs), scores

    @property
    def _overrides_keras_hook(self):
        return type(self)._compute_attention is not KerasNames._compute_attention

    def _refuse_keras_hook(self):
        """Raises ValueError if a layer that never calls `_compute_attention` overrides it."""
        if self._overrides_keras_hook:
            raise ValueError(
                "`_compute_attention` must not be overridden in a layer that never weighs all "
                f"pairs, and so would not call it. Received: {type(self).__name__}. Derive the "
                "class from MultiHeadAttention, or override a hook that its base describes."
            )

    def _attend_by_keras_hook(self, query, key, value, attention_mask, training, positions=None):
        """As `attend`, through a `_compute_attention` that a subclass has overridden.

        Queries and keys are already turned; Keras' hook has no argument for other positions.
        """
        if positions is not None and self.position.has_bias:
            raise ValueError(
                "`position` must have no bias in a layer that overrides `_compute_attention`, "
                f"which is not told the positions. Received: position={self.position}. Override "
                "`attend` instead, or use a RotaryEmbedding."
            )
        if attention_mask is not None:  # as Keras hands it over, (B, T, S) or (1, T, S)
            if len(attention_mask.shape) == 2:
                attention_mask = attention_mask[None]
            elif attention_mask.shape[1] == 1:
                attention_mask = attention_mask[:, 0]
        query, key, value = (_swap_heads(heads) for heads in (query, key, value))
        outputs, scores = self._compute_attention(
            query, key, value, attention_mask, training, return_attention_scores=True
        )
        return _swap_heads(outputs), scores


def _swap_heads(heads):
    return ops.transpose(heads, (0, 2, 1, 3))  # (B, T, H, K) <-> (B, H, T, K)
