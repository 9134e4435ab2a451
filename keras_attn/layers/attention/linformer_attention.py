"""Linformer (Wang et al., 2020)."""

import keras
from keras import ops

from keras_attn.layers.attention.multi_head_attention import MultiHeadAttention
from keras_attn.layers.initializers import clone_initializer
from keras_attn.ops.known_values import is_made_up
from keras_attn.system.argument_checks import check_integer


@keras.saving.register_keras_serializable(package="keras_attn")
class LinformerAttention(MultiHeadAttention):
    """Attends to a fixed number of mixtures of the keys, at a cost linear in the length.

        head_h = softmax(Q (E K)^T / sqrt(key_dim)) F V,    E, F of shape (projected_length, S)

    E and F are trained, and shared by the heads. They belong to positions, so the layer takes up to
    `max_sequence_length` of them, and a shorter sequence uses the first columns.

    Masked keys and values are zeros before they are mixed, so they change nothing. A mixture holds
    keys from before and after a query, so a causal mask and a cache are refused. So are an
    `attention_mask`, scores, a sliding window and positions that act inside attention. The layer
    is for encoders; in a `Transformer`, `decoder_attention` gives the decoder another one.

    Args:
        num_heads, key_dim, ...: as in `MultiHeadAttention`.
        max_sequence_length: int. In tokens. Defaults to 1024.
        projected_length: int. Number of mixtures. Defaults to 256.
        projection_initializer: initializer of E and F. Defaults to a normal distribution of
            variance `1 / projected_length`.

    Raises:
        ValueError: if the sequence is too long, or the layer cannot do what is asked for.

    Example:
    >>> layer = keras_attn.layers.LinformerAttention(2, 4, max_sequence_length=20)
    >>> layer(keras.ops.ones((3, 15, 8))).shape
    TensorShape([3, 15, 8])

    References:
        - [Wang et al., 2020](https://arxiv.org/abs/2006.04768).
    """

    supports_causal_mask = False

    def __init__(
        self,
        *args,
        max_sequence_length=1024,
        projected_length=256,
        projection_initializer=None,
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        self._refuse_keras_hook()
        self.max_sequence_length = check_integer("max_sequence_length", max_sequence_length)
        self.projected_length = check_integer("projected_length", projected_length)
        if projection_initializer is None:
            stddev = self.projected_length**-0.5
            projection_initializer = keras.initializers.RandomNormal(stddev=stddev)
        self.projection_initializer = keras.initializers.get(projection_initializer)
        for name in ("sliding_window", "position"):
            if getattr(self, name) is not None:
                raise self._refusal(name, getattr(self, name))

    def build(self, query_shape, value_shape=None, key_shape=None):
        super().build(query_shape, value_shape, key_shape)
        shape = (self.max_sequence_length, self.projected_length)
        self.key_projection, self.value_projection = (
            self.add_weight(
                name=name, shape=shape, initializer=clone_initializer(self.projection_initializer)
            )
            for name in ("key_projection", "value_projection")
        )

    def cross_attention(self, name):
        """Dense attention: a target decides for itself which parts of a source it looks at."""
        return self._dense_cross_attention(name)

    def empty_cache(self, batch_size, max_length, num_beams=None):
        raise self._refusal("cache", f"max_length={max_length}")

    def _attend(self, query, key_value, masks, cache, training, needs_scores):
        refused = {
            "use_causal_mask": masks.is_causal or None,
            "attention_mask": masks.attention,
            "return_attention_scores": needs_scores or None,
            "cache": cache,
        }
        for name, given in refused.items():
            if given is not None:
                raise self._refusal(name, given)
        key, value = self._full_heads(key_value)
        self._check_length(key)
        if masks.of_keys is not None:
            kept = masks.of_keys[:, None, :, None]
            key, value = (ops.where(kept, one, ops.zeros_like(one)) for one in (key, value))
        key = self._mix(key, self.key_projection)
        value = self._mix(value, self.value_projection)
        mask = None if masks.query is None else masks.query[:, None, :, None]
        return self.attend(query, key, value, mask, training)

    def _mix(self, rows, projection):
        """(B, H, S, K) -> (B, H, projected_length, K)."""
        length, projection = ops.shape(rows)[2], ops.cast(projection, rows.dtype)
        is_known = isinstance(length, int) and not is_made_up(rows)
        if is_known or rows.shape[2] is None:
            projection = projection[:length]
        else:  # of a slice, JAX could not tell that it has as many rows as the symbolic keys
            projection = ops.take(projection, ops.arange(length, dtype="int32"), axis=0)
        return ops.einsum("bhsk,sm->bhmk", rows, projection)

    def _check_length(self, key):
        length = key.shape[2]
        if isinstance(length, int) and not is_made_up(key) and length > self.max_sequence_length:
            raise ValueError(
                f"A sequence of {length} positions is longer than `max_sequence_length`="
                f"{self.max_sequence_length}. Cut the input, or increase `max_sequence_length`."
            )

    def _refusal(self, name, received):
        return ValueError(
            f"`{name}` must be left out in LinformerAttention, which attends to mixtures of keys "
            f"from before and after a query. Received: {name}={received}."
        )

    def get_config(self):
        initializer = keras.initializers.serialize(self.projection_initializer)
        return {
            **super().get_config(),
            "max_sequence_length": self.max_sequence_length,
            "projected_length": self.projected_length,
            "projection_initializer": initializer,
        }
