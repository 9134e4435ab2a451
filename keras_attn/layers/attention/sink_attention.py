"""Attention with a learned sink (Xiao et al., 2024)."""

import keras
from keras import ops

from keras_attn.layers.attention.multi_head_attention import MultiHeadAttention
from keras_attn.ops.attention import MASKED_LOGIT


@keras.saving.register_keras_serializable(package="keras_attn")
class SinkAttention(MultiHeadAttention):
    """`MultiHeadAttention` whose heads may attend to nothing: to a sink without a value.

        weight_h(t, s) = exp(l_ts) / (exp(sink_h) + sum over s' of exp(l_ts'))

    with one learned number `sink_h` for each head. A plain softmax must put its weight somewhere,
    and models learn to put it on the first tokens; here it can go into the sink. The weights of a
    row sum to less than one. (To keep the first tokens themselves in a sliding window, use
    `LocalAttention` with `num_global`.)

    Args:
        num_heads, key_dim, ...: as in `MultiHeadAttention`.

    Example:
    >>> layer = keras_attn.layers.SinkAttention(num_heads=2, key_dim=4)
    >>> layer(keras.ops.ones((3, 5, 8))).shape
    TensorShape([3, 5, 8])

    References:
        - [Xiao et al., 2024](https://arxiv.org/abs/2309.17453), Section 3.
    """

    treats_keys_alike = True

    def build(self, query_shape, value_shape=None, key_shape=None):
        super().build(query_shape, value_shape, key_shape)
        self.sinks = self.add_weight(name="sinks", shape=(self.num_heads,), initializer="zeros")

    def attention_weights(self, logits, attention_mask=None):
        # A softmax times the share that the sink leaves: total / (total + exp(sink)).
        weights = super().attention_weights(logits, attention_mask)
        if attention_mask is not None:
            logits = ops.where(attention_mask, logits, MASKED_LOGIT)
        totals = ops.logsumexp(logits, axis=-1, keepdims=True)  # (B, H, T, 1)
        sinks = ops.reshape(self.sinks, (-1, *[1] * (len(logits.shape) - 2)))
        return weights * ops.sigmoid(totals - ops.cast(sinks, totals.dtype))
