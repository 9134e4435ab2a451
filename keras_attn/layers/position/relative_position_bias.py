"""Relative position bias (Raffel et al., 2020, T5)."""

import keras
from keras import ops

from keras_attn.layers.position.attention_position import AttentionPosition
from keras_attn.ops.relative_positions import relative_buckets
from keras_attn.system.argument_checks import check_integer


@keras.saving.register_keras_serializable(package="keras_attn")
class RelativePositionBias(AttentionPosition):
    """Adds a learned number to the logits, one for each head and bucket of distances.

        logit_h(t, s) = q_t . k_s / sqrt(K) + b_h[bucket(s - t)]

    Distances beyond `max_distance` share a bucket, so sequences may be longer than in training.

    Departures from T5: every layer has its own numbers, and logits are divided by sqrt(K).

    Args:
        num_buckets: int. Defaults to 32.
        max_distance: int. In tokens. All distances from here on share a bucket. Defaults to 128.
        bidirectional: bool. Half of the buckets are for keys after the query. A block chooses
            True in an encoder and False in a decoder. Defaults to `True`.
        embeddings_initializer: initializer. Defaults to a normal distribution of standard
            deviation 0.02.
        **kwargs: `name`, `dtype`, `trainable`, as in `keras.layers.Layer`.

    Raises:
        ValueError: if the buckets do not fit the distances.

    Example:
    >>> layer = keras_attn.layers.MultiHeadAttention(
    ...     num_heads=2, key_dim=4, position=keras_attn.layers.RelativePositionBias())
    >>> layer(keras.ops.ones((3, 5, 8))).shape
    TensorShape([3, 5, 8])

    References:
        - [Raffel et al., 2020](https://arxiv.org/abs/1910.10683), Section 2.1.
    """

    def __init__(
        self,
        num_buckets=32,
        max_distance=128,
        bidirectional=True,
        embeddings_initializer=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_buckets = check_integer("num_buckets", num_buckets)
        self.max_distance = check_integer("max_distance", max_distance)
        self.bidirectional = bidirectional
        if embeddings_initializer is None:
            embeddings_initializer = keras.initializers.RandomNormal(stddev=0.02)
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)
        smallest = 4 if bidirectional else 2
        per_direction = num_buckets // 2 if bidirectional else num_buckets
        if num_buckets < smallest or max_distance <= per_direction // 2:
            raise ValueError(
                f"`num_buckets` must be at least {smallest}, and `max_distance` more than the "
                f"{per_direction // 2} distances that have a bucket each. "
                f"Received: num_buckets={num_buckets}, max_distance={max_distance}."
            )

    def build(self, heads_shape=None):
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(self.num_buckets, heads_shape[1]),
            initializer=self.embeddings_initializer,
        )
        self.built = True

    def bias(self, query, positions):
        buckets = relative_buckets(
            positions.distances, self.num_buckets, self.max_distance, self.bidirectional
        )
        bias = ops.take(self.embeddings, buckets, axis=0)  # (..., T, S, H)
        return ops.cast(ops.moveaxis(bias, -1, 0), "float32")

    def get_config(self):
        return {
            **super().get_config(),
            "num_buckets": self.num_buckets,
            "max_distance": self.max_distance,
            "bidirectional": self.bidirectional,
            "embeddings_initializer": keras.initializers.serialize(self.embeddings_initializer),
        }
