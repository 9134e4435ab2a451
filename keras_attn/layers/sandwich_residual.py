"""A residual connection with two normalizations (Ding et al., 2021)."""

import keras

from keras_attn.layers.residual import Residual


@keras.saving.register_keras_serializable(package="keras_attn")
class SandwichResidual(Residual):
    """A residual connection that normalizes the input and the output of a sublayer.

        x + dropout(norm_2(sublayer(norm_1(x))))

    So what a layer adds to the residual stream has a bounded size, in deep models and in half
    precision. It is a kind of pre-norm, so a stack has a final normalization.

    Args:
        dropout, normalization, epsilon, ...: as in `Residual`, without `normalize_first`.

    Example:
    >>> dense, residual = keras.layers.Dense(4), keras_attn.layers.SandwichResidual()
    >>> x = keras.ops.ones((2, 3, 4))
    >>> residual(x, dense(residual(x))).shape
    TensorShape([2, 3, 4])

    References:
        - [Ding et al., 2021](https://arxiv.org/abs/2105.13290), Section 2.4.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **{**kwargs, "normalize_first": True})
        self.output_normalization = self._make_normalization("output_normalization")

    def build(self, inputs_shape, sublayer_outputs_shape=None):
        if self.output_normalization is not None:
            self.output_normalization.build(inputs_shape)
        super().build(inputs_shape, sublayer_outputs_shape)

    def call(self, inputs, sublayer_outputs=None, training=None):
        if sublayer_outputs is not None and self.output_normalization is not None:
            sublayer_outputs = self.output_normalization(sublayer_outputs)
        return super().call(inputs, sublayer_outputs, training=training)
