"""Linear attention (Katharopoulos et al., 2020)."""

import keras
from keras import ops

from keras_attn.layers.attention.attention_cache import SelfCache
from keras_attn.layers.attention.cached_projections import heads_first
from keras_attn.layers.attention.multi_head_attention import MultiHeadAttention
from keras_attn.ops.linear_attention import linear_attention


@keras.saving.register_keras_serializable(package="keras_attn")
class LinearAttention(MultiHeadAttention):
    """Attention without a softmax, whose cost grows linearly with the length.

        output(t) = phi(q_t) sum over s of phi(k_s)^T v_s / (phi(q_t) sum over s of phi(k_s)^T)

    with the feature map phi(x) = elu(x) + 1. In a decoder the sums run over the positions up to t;
    a cache holds only these two sums, so a step costs the same at every position, and memory does
    not grow with the length.

    Weights, names and projections are those of `MultiHeadAttention`. Sums are float32 under every
    policy. Scores are computed if they are asked for; the cost of scores or an `attention_mask`
    grows with the square of the length. There are no weights to drop, so `dropout` must be zero;
    `position` and `sliding_window` are refused, because the sums do not know how far away a key is.

    Hook for subclasses: `feature_map`.

    Args:
        num_heads, key_dim, ...: as in `MultiHeadAttention`.

    Raises:
        ValueError: for an argument that the layer cannot use.

    Example:
    >>> layer = keras_attn.layers.LinearAttention(num_heads=2, key_dim=4)
    >>> layer(keras.ops.ones((3, 15, 8))).shape
    TensorShape([3, 15, 8])

    References:
        - [Katharopoulos et al., 2020](https://arxiv.org/abs/2006.16236).
    """

    can_share_cache = False
    takes_step_mask = False

    def __init__(self, *args, **kwargs):
        # The sums in a cache stay float32; `_project` casts the inputs.
        super().__init__(*args, **{"autocast": False, **kwargs})
        self._refuse_keras_hook()
        unused = {"dropout": 0.0, "sliding_window": None, "position": None}
        for name, value in unused.items():
            if getattr(self, name) != value:
                raise ValueError(
                    f"`{name}` must be {value} in {type(self).__name__}, which never computes the "
                    f"weights of pairs. Received: {name}={getattr(self, name)!r}."
                )

    def feature_map(self, heads):
        """phi: queries or keys, float32 (B, H, T, K) -> float32 (B, H, T, M), not negative."""
        return ops.elu(heads) + 1.0

    def _query_features(self, heads):
        """`feature_map` of queries, each perhaps times a factor, which the quotient cancels."""
        return self.feature_map(heads)

    def num_features(self):
        """Number of features that `feature_map` returns, M."""
        return self.key_dim

    def cross_attention(self, name):
        """Dense attention, whose cost is linear in the source for each step of the target."""
        return self._dense_cross_attention(name)

    def empty_cache(self, batch_size, max_length, num_beams=None):
        """A `SelfCache` of the two sums, whose size does not depend on `max_length`."""
        shape = (batch_size, self.num_heads, self.num_features())
        tensors = {
            "keys": ops.zeros(shape, "float32"),
            "products": ops.zeros((*shape, self.value_dim), "float32"),
        }
        return SelfCache(tensors, ops.convert_to_tensor(0, dtype="int32"))

    def _project(self, query, value, key, cache):
        if not isinstance(cache, SelfCache):
            return super()._project(query, value, key, cache)
        query, value, key = (
            None if one is None else ops.cast(one, self.compute_dtype)
            for one in (query, value, key)
        )
        heads, key_value = self._project_all(query, value, key, cache.kernels)
        keys, values = self._features(key_value)
        tensors = {
            "keys": cache.tensors["keys"] + ops.sum(keys, axis=2),
            "products": cache.tensors["products"] + ops.einsum("bhsm,bhsv->bhmv", keys, values),
        }
        position = cache.position + ops.shape(keys)[2]
        return heads_first(heads), key_value, cache._replace(tensors=tensors, position=position)

    def _features(self, key_value):
        """phi(K), float32 (B, H, S, M), and V, float32 (B, H, S, V)."""
        key, value = self._full_heads(key_value)
        return self.feature_map(ops.cast(key, "float32")), ops.cast(value, "float32")

    def _attend(self, query, key_value, masks, cache, training, needs_scores):
        is_step = isinstance(cache, SelfCache)
        if is_step:
            masks = masks._replace(value=None, key=None, is_causal=True)
        if is_step and (needs_scores or masks.attention is not None):
            raise ValueError(
                "`return_attention_scores` and `attention_mask` must be left out with a cache: it "
                f"holds sums, not keys. Received: one of them in a {type(self).__name__}."
            )
        queries = self._query_features(ops.cast(query, "float32"))
        keys, values = self._features(key_value)
        dtype = key_value["value"].dtype
        if needs_scores or masks.attention is not None:
            mask = masks.join(ops.shape(queries)[2], ops.shape(keys)[2])
            weights = _weights(queries, keys, mask)
            return ops.cast(ops.matmul(weights, values), dtype), weights
        if masks.of_keys is not None:
            keys = keys * ops.cast(masks.of_keys, "float32")[:, None, :, None]
        past = cache.tensors if is_step else None
        outputs = linear_attention(queries, keys, values, masks.is_causal, past)
        return ops.cast(masks.keep_queries(outputs), dtype), None


def _weights(queries, keys, mask):
    """The weights that the sums never compute: (B, H, T, S)."""
    products = ops.einsum("bhtm,bhsm->bhts", queries, keys)
    if mask is not None:
        products = ops.where(mask, products, 0.0)
    total = ops.sum(products, axis=-1, keepdims=True)
    return products / ops.where(total > 0.0, total, 1.0)
