"""Relative position representations (Shaw et al., 2018)."""

import keras
from keras import ops

from keras_attn.layers.initializers import clone_initializer
from keras_attn.layers.position.attention_position import AttentionPosition
from keras_attn.system.argument_checks import check_integer


@keras.saving.register_keras_serializable(package="keras_attn")
class RelativePositionEmbedding(AttentionPosition):
    """Adds a learned vector of the distance to each key, and another one to each value.

        logit(t, s) = q_t . (k_s + a^K[clip(s - t)]) / sqrt(K)
        output(t)   = sum over s of weight(t, s) (v_s + a^V[clip(s - t)])

    Distances are clipped to `max_distance` on both sides, so sequences may be longer than in
    training. All heads of a layer share the vectors. In a decoder, the vectors of keys after the
    query are never used.

    Args:
        max_distance: int. In tokens. Defaults to 16, as in the paper's base model.
        use_values: bool. Also add vectors to the values; the paper found that they add little to
            those of the keys. Defaults to `True`, as in the paper.
        embeddings_initializer: initializer. Defaults to `"glorot_uniform"`.
        **kwargs: `name`, `dtype`, `trainable`, as in `keras.layers.Layer`.

    Example:
    >>> layer = keras_attn.layers.MultiHeadAttention(
    ...     num_heads=2, key_dim=4, position=keras_attn.layers.RelativePositionEmbedding())
    >>> layer(keras.ops.ones((3, 5, 8))).shape
    TensorShape([3, 5, 8])

    References:
        - [Shaw et al., 2018](https://arxiv.org/abs/1803.02155), Section 3.
    """

    def __init__(
        self,
        max_distance=16,
        use_values=True,
        embeddings_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.max_distance = check_integer("max_distance", max_distance)
        self.use_values = use_values
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)

    def build_for(self, num_heads, key_dim, value_dim):
        if self.use_values:
            self.value_embeddings = self._vectors("value_embeddings", value_dim)
        super().build_for(num_heads, key_dim, value_dim)

    def build(self, heads_shape=None):
        self.key_embeddings = self._vectors("key_embeddings", heads_shape[-1])
        self.built = True

    def _vectors(self, name, size):
        return self.add_weight(
            name=name,
            shape=(2 * self.max_distance + 1, size),
            initializer=clone_initializer(self.embeddings_initializer),
        )

    def _of_distances(self, embeddings, positions, dtype):
        """The vector of each pair: (..., T, S, K)."""
        clipped = ops.clip(positions.distances, -self.max_distance, self.max_distance)
        return ops.cast(ops.take(embeddings, clipped + self.max_distance, axis=0), dtype)

    def bias(self, query, positions):
        vectors = self._of_distances(self.key_embeddings, positions, query.dtype)
        query = query * ops.cast(query.shape[-1] ** -0.5, query.dtype)
        return ops.cast(ops.einsum("bh...tk,...tsk->bh...ts", query, vectors), "float32")

    def values(self, weights, positions):
        if not self.use_values:
            return None
        vectors = self._of_distances(self.value_embeddings, positions, weights.dtype)
        return ops.einsum("bh...ts,...tsv->bh...tv", weights, vectors)

    def get_config(self):
        return {
            **super().get_config(),
            "max_distance": self.max_distance,
            "use_values": self.use_values,
            "embeddings_initializer": keras.initializers.serialize(self.embeddings_initializer),
        }
