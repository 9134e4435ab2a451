"""Additive attention (Bahdanau et al., 2015)."""

import keras
from keras import ops

from keras_attn.layers.attention.source_attention import SourceAttention
from keras_attn.layers.dense_rows import dense_rows
from keras_attn.ops.additive_logits import additive_logits
from keras_attn.system.argument_checks import check_optional_integer


@keras.saving.register_keras_serializable(package="keras_attn")
class BahdanauAttention(SourceAttention):
    """Attends to a source with a network of one hidden layer, which sees query and source.

        score(s, h_j) = v_a . tanh(W_a s + U_a h_j + b)                  (Section A.1.2)
        output        = sum over j of softmax(score)_j h_j               (Equations 5 and 6)

    The softmax is in float32. The paper leaves biases out of its equations; here b is the bias.

    Masking: `value_mask`; a row without a real source position gives zeros. The output has the
    Keras mask of the query.

    Args:
        units: int. Size of the hidden layer, K. Defaults to None: that of the query.
        **kwargs: `name`, `dtype`, `trainable`, as in `keras.layers.Layer`.

    Call arguments:
        query: float, (B, T, D). The states of the decoder, s.
        value: float, (B, S, E). The output of the encoder, h.
        key: float, (B, S, K), what `project_key(value)` returned, for many calls with one source.
            Defaults to None: projected in the call.
        value_mask: bool, (B, S). True = real token. Defaults to the Keras mask of the value.
        return_attention_scores: bool.

    Returns:
        float, (B, T, E); with `return_attention_scores=True` also the weights, float32 (B, T, S).

    Example:
    >>> layer = keras_attn.layers.BahdanauAttention(units=7)
    >>> layer(keras.ops.ones((2, 3, 4)), keras.ops.ones((2, 5, 6))).shape
    TensorShape([2, 3, 6])

    References:
        - [Bahdanau et al., 2015](https://arxiv.org/abs/1409.0473), Sections 3.1 and A.1.2.
    """

    def __init__(self, units=None, **kwargs):
        super().__init__(**kwargs)
        self.units = check_optional_integer("units", units)

    def build(self, query_shape, value_shape, key_shape=None):
        units = self.units or query_shape[-1]
        self.query_dense = self._dense(units, "query", use_bias=False)
        self.query_dense.build(query_shape)
        self.key_dense = self._dense(units, "key", use_bias=True)
        self.key_dense.build(value_shape)
        # A column of a matrix to one unit, as its initializer sees it.
        self.score_kernel = self.add_weight(
            name="score_kernel", shape=(units, 1), initializer="glorot_uniform"
        )
        self.built = True

    def _dense(self, units, name, use_bias):
        return keras.layers.Dense(units, use_bias=use_bias, dtype=self.dtype_policy, name=name)

    def project_key(self, value):
        return dense_rows(self.key_dense, value)

    def logits(self, query, key):
        weights = ops.cast(self.score_kernel[:, 0], key.dtype)
        return additive_logits(dense_rows(self.query_dense, query), key, weights)

    def get_config(self):
        return {**super().get_config(), "units": self.units}
