"""Attention with normalized queries and keys (Henry et al., 2020; Dehghani et al., 2023)."""

import keras

from keras_attn.layers.attention.multi_head_attention import MultiHeadAttention


@keras.saving.register_keras_serializable(package="keras_attn")
class QKNormalizedAttention(MultiHeadAttention):
    """`MultiHeadAttention` whose query and key heads are normalized before they meet.

        logits = RMSNorm(q) . RMSNorm(k) / sqrt(K)

    with a learned factor for each of the K components, shared by the heads. Logits then cannot grow
    with the length of the vectors, so large models and learning rates train without diverging.
    Positions that turn heads act after the normalization. Keys are normalized once, when they are
    projected.

    Args:
        num_heads, key_dim, ...: as in `MultiHeadAttention`.
        epsilon: float. Added to the mean square. Defaults to `1e-6`.

    Example:
    >>> layer = keras_attn.layers.QKNormalizedAttention(num_heads=2, key_dim=4)
    >>> layer(keras.ops.ones((3, 5, 8))).shape
    TensorShape([3, 5, 8])

    References:
        - [Henry et al., 2020](https://arxiv.org/abs/2010.04245).
        - [Dehghani et al., 2023](https://arxiv.org/abs/2302.05442), Section 2.
    """

    def __init__(self, *args, epsilon=1e-6, **kwargs):
        super().__init__(*args, **kwargs)
        self.epsilon = epsilon
        self.query_norm, self.key_norm = (
            keras.layers.RMSNormalization(epsilon=epsilon, dtype=self.dtype_policy, name=name)
            for name in ("query_norm", "key_norm")
        )
        for norm in (self.query_norm, self.key_norm):
            norm.supports_masking = True  # the masks act in `attend`

    def build(self, query_shape, value_shape=None, key_shape=None):
        super().build(query_shape, value_shape, key_shape)
        self.query_norm.build((None, None, self.num_heads, self.key_dim))
        self.key_norm.build((None, self.num_key_value_heads, None, self.key_dim))

    def project_key_value(self, value, key=None):
        projected = super().project_key_value(value, key)
        return {**projected, "key": self.key_norm(projected["key"])}

    def _project_query(self, query, kernels=()):
        return self.query_norm(super()._project_query(query, kernels))

    def _project_all(self, query, value, key, kernels=()):
        heads, key_value = super()._project_all(query, value, key, kernels)
        return self.query_norm(heads), key_value

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon}
