"""Multiplicative attention (Luong et al., 2015)."""

import keras

from keras_attn.layers.attention.source_attention import SourceAttention
from keras_attn.layers.dense_rows import dense_rows
from keras_attn.ops import attention_logits


@keras.saving.register_keras_serializable(package="keras_attn")
class LuongAttention(SourceAttention):
    """Attends to a source by the product of query and projected source, "general".

        score(h_t, h_s) = h_t^T W_a h_s                                  (Equation 8, general)
        output          = sum over s of softmax(score)_s h_s             in float32

    Masking: `value_mask`; a row without a real source position gives zeros. The output has the
    Keras mask of the query.

    Args:
        **kwargs: `name`, `dtype`, `trainable`, as in `keras.layers.Layer`.

    Call arguments:
        query: float, (B, T, D). The states of the decoder.
        value: float, (B, S, E). The output of the encoder.
        key: float, (B, S, D), what `project_key(value)` returned, for many calls with one source.
            Defaults to None: projected in the call.
        value_mask: bool, (B, S). True = real token. Defaults to the Keras mask of the value.
        return_attention_scores: bool.

    Returns:
        float, (B, T, E); with `return_attention_scores=True` also the weights, float32 (B, T, S).

    Example:
    >>> layer = keras_attn.layers.LuongAttention()
    >>> layer(keras.ops.ones((2, 3, 4)), keras.ops.ones((2, 5, 6))).shape
    TensorShape([2, 3, 6])

    References:
        - [Luong et al., 2015](https://arxiv.org/abs/1508.04025), Section 3.1.
    """

    def build(self, query_shape, value_shape, key_shape=None):
        self.key_dense = keras.layers.Dense(
            query_shape[-1], use_bias=False, dtype=self.dtype_policy, name="key"
        )
        self.key_dense.build(value_shape)
        self.built = True

    def project_key(self, value):
        return dense_rows(self.key_dense, value)

    def logits(self, query, key):
        return attention_logits(query, key, scale=1.0)
