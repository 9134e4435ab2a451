"""Gated feed-forward network (Shazeer, 2020)."""

import keras

from keras_attn.layers.feed_forward import FeedForward


@keras.saving.register_keras_serializable(package="keras_attn")
class GatedFeedForward(FeedForward):
    """A feed-forward network whose inner layer is multiplied by a gate.

        FFN(x) = (activation(x W_g + b_g) * (x W_1 + b_1)) W_2 + b_2

    With `activation="gelu"` it is GEGLU, with `"silu"` SwiGLU, with `"sigmoid"` the GLU. A block's
    slot calls them `"geglu"`, `"swiglu"` and `"glu"`. The layer has three matrices instead of two:
    use two thirds of `intermediate_dim` for the same number of parameters.

    Args:
        intermediate_dim, activation, ...: as in `FeedForward`.

    Example:
    >>> layer = keras_attn.layers.GatedFeedForward(intermediate_dim=8, activation="silu")
    >>> layer(keras.ops.ones((2, 3, 4))).shape
    TensorShape([2, 3, 4])

    References:
        - [Shazeer, 2020](https://arxiv.org/abs/2002.05202).
        - [Dauphin et al., 2017](https://arxiv.org/abs/1612.08083), the GLU.
    """

    def build(self, input_shape):
        self.gate_dense = self._dense(self.intermediate_dim, "gate")
        self.gate_dense.build(input_shape)
        super().build(input_shape)

    def inner_layer(self, rows):
        return self.activation(self.gate_dense(rows)) * self.intermediate_dense(rows)
