"""Talking-heads attention (Shazeer et al., 2020)."""

import keras
from keras import ops

from keras_attn.layers.attention.multi_head_attention import MultiHeadAttention


@keras.saving.register_keras_serializable(package="keras_attn")
class TalkingHeadsAttention(MultiHeadAttention):
    """`MultiHeadAttention` whose heads are mixed before and after the softmax.

        weights = P_w softmax(P_l (Q K^T / sqrt(K)))

    where P_l and P_w, of shape (H, H), act on the axis of the heads. They start as identities, so a
    new layer computes what `MultiHeadAttention` does with the same weights. The scores are the
    mixed weights; after training they may be negative, and need not sum to one.

    Args:
        num_heads, key_dim, ...: as in `MultiHeadAttention`.

    Example:
    >>> layer = keras_attn.layers.TalkingHeadsAttention(num_heads=2, key_dim=4)
    >>> layer(keras.ops.ones((3, 5, 8))).shape
    TensorShape([3, 5, 8])

    References:
        - [Shazeer et al., 2020](https://arxiv.org/abs/2003.02436).
    """

    treats_keys_alike = True

    def build(self, query_shape, value_shape=None, key_shape=None):
        super().build(query_shape, value_shape, key_shape)
        self.logits_mixer, self.weights_mixer = (
            self.add_weight(
                name=name, shape=(self.num_heads, self.num_heads), initializer="identity"
            )
            for name in ("logits_mixer", "weights_mixer")
        )

    def attention_logits(self, query, key, positions=None):
        logits = super().attention_logits(query, key, positions)
        return _mix(logits, self.logits_mixer)

    def attention_weights(self, logits, attention_mask=None):
        return _mix(super().attention_weights(logits, attention_mask), self.weights_mixer)


def _mix(heads, mixer):
    return ops.einsum("bh...,gh->bg...", heads, ops.cast(mixer, heads.dtype))
