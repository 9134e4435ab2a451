"""Attention by positive random features, FAVOR+ (Choromanski et al., 2021)."""

import keras
from keras import ops

from keras_attn.layers.attention.linear_attention import LinearAttention
from keras_attn.ops.linear_attention import orthogonal_directions, positive_random_features
from keras_attn.system.argument_checks import check_integer


@keras.saving.register_keras_serializable(package="keras_attn")
class PerformerAttention(LinearAttention):
    """`LinearAttention` that approximates the softmax of Eq. 1 by positive random features.

        phi(x)_i = exp(w_i . x' - |x'|^2 / 2) / sqrt(M),    x' = x / K^(1/4)

    The mean of phi(q) . phi(k) over the random directions w_i is exp(q . k / sqrt(K)); the error
    falls with the square root of their number M. The directions are drawn once, in orthogonal sets,
    and are saved with the weights; they are not trained.

    All features of a key that is longer than about 17 K^(1/4) (48 for K = 64) underflow: such a key
    counts for nothing.

    Departure from the paper: the directions are not drawn again during training.

    Args:
        num_heads, key_dim, ...: as in `LinearAttention`.
        num_features: int. Number of random directions, M. Defaults to 256.
        directions_seed: int. Defaults to 0.

    Example:
    >>> layer = keras_attn.layers.PerformerAttention(num_heads=2, key_dim=4, num_features=16)
    >>> layer(keras.ops.ones((3, 15, 8))).shape
    TensorShape([3, 15, 8])

    References:
        - [Choromanski et al., 2021](https://arxiv.org/abs/2009.14794).
    """

    def __init__(self, *args, num_features=256, directions_seed=0, **kwargs):
        super().__init__(*args, **kwargs)
        self.num_directions = check_integer("num_features", num_features)
        self.directions_seed = directions_seed

    def build(self, query_shape, value_shape=None, key_shape=None):
        super().build(query_shape, value_shape, key_shape)
        self.directions = self.add_weight(
            name="directions",
            shape=(self.num_directions, self.key_dim),
            initializer=self._draw,
            trainable=False,
            autocast=False,
        )

    def _draw(self, shape, dtype=None):
        num_features, key_dim = shape
        directions = orthogonal_directions(num_features, key_dim, self.directions_seed)
        return ops.convert_to_tensor(directions, dtype)

    def feature_map(self, heads):
        return positive_random_features(heads, self.directions)

    def _query_features(self, heads):
        if type(self).feature_map is not PerformerAttention.feature_map:
            return super()._query_features(heads)  # a subclass has features of its own
        return positive_random_features(heads, self.directions, is_scaled=True)

    def num_features(self):
        return self.num_directions

    def get_config(self):
        return {
            **super().get_config(),
            "num_features": self.num_directions,
            "directions_seed": self.directions_seed,
        }
