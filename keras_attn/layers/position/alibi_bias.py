"""Attention with linear biases (Press et al., 2022)."""

import keras
from keras import ops

from keras_attn.layers.position.attention_position import AttentionPosition
from keras_attn.ops.relative_positions import alibi_slopes


@keras.saving.register_keras_serializable(package="keras_attn")
class ALiBiBias(AttentionPosition):
    """Lowers the logits in proportion to the distance, at a different rate in each head.

        logit_h(t, s) = q_t . k_s / sqrt(K) - m_h |s - t|

    It has no weights, and sequences may be longer than in training. With the causal mask of a
    decoder it is the paper's method; in an encoder both directions are lowered alike.

    Args:
        **kwargs: `name`, `dtype`, as in `keras.layers.Layer`.

    Example:
    >>> layer = keras_attn.layers.MultiHeadAttention(
    ...     num_heads=2, key_dim=4, position=keras_attn.layers.ALiBiBias())
    >>> layer(keras.ops.ones((3, 5, 8))).shape
    TensorShape([3, 5, 8])

    References:
        - [Press et al., 2022](https://arxiv.org/abs/2108.12409).
    """

    def bias(self, query, positions):
        distances = ops.cast(ops.abs(positions.distances), "float32")  # (..., T, S)
        slopes = ops.convert_to_tensor(alibi_slopes(query.shape[1]).astype("float32"))
        return -ops.reshape(slopes, (-1, *[1] * len(distances.shape))) * distances
