"""Attention with a soft cap on its logits (Gemma 2)."""

import keras
from keras import ops

from keras_attn.layers.attention.multi_head_attention import MultiHeadAttention


@keras.saving.register_keras_serializable(package="keras_attn")
class SoftCappedAttention(MultiHeadAttention):
    """`MultiHeadAttention` whose logits stay between `-soft_cap` and `soft_cap`.

        logits = soft_cap tanh(Q K^T / (sqrt(K) soft_cap))

    So no single logit can grow without bound, which makes training in half precision stable.

    Args:
        num_heads, key_dim, ...: as in `MultiHeadAttention`.
        soft_cap: float, greater than zero. Defaults to `50.0`.

    Example:
    >>> layer = keras_attn.layers.SoftCappedAttention(num_heads=2, key_dim=4)
    >>> layer(keras.ops.ones((3, 5, 8))).shape
    TensorShape([3, 5, 8])

    References:
        - [Gemma Team, 2024](https://arxiv.org/abs/2408.00118), Section 2.
    """

    treats_keys_alike = True

    def __init__(self, *args, soft_cap=50.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.soft_cap = float(soft_cap)
        if not self.soft_cap > 0.0:
            raise ValueError(f"`soft_cap` must be greater than zero. Received: {soft_cap}.")

    def attention_logits(self, query, key, positions=None):
        logits = super().attention_logits(query, key, positions)
        return self.soft_cap * ops.tanh(logits / self.soft_cap)

    def get_config(self):
        return {**super().get_config(), "soft_cap": self.soft_cap}
