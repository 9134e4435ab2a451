"""What the blocks of convolutional encoders and decoders have in common."""

import keras
from keras import ops

from keras_attn.layers.convolution.gated_convolution import GatedConvolution
from keras_attn.layers.dropout import Dropout
from keras_attn.layers.residual import Residual
from keras_attn.layers.several_outputs import SeveralOutputs
from keras_attn.layers.size_checks import dropout_rate
from keras_attn.system.argument_checks import check_integer


class ConvBlock(SeveralOutputs):
    """A gated convolution of normalized inputs, and a residual connection; the base of both blocks.

    Departure from Gehring et al.: the input of the convolution is normalized, where the paper
    normalizes the weights (Salimans and Kingma, 2016). `normalization=None` leaves it out.

    Args:
        hidden_dim: int. Width of the residual stream, D.
        kernel_size: int. Number of positions that a convolution sees. Defaults to 3.
        dropout: float in [0, 1). Rate applied to the input of the convolution. Defaults to `0.1`.
        normalization: slot, as in `Residual`. Defaults to `"layer_norm"`.
        **kwargs: `name`, `dtype`, `trainable`, as in `keras.layers.Layer`.
    """

    padding: str

    def __init__(
        self, hidden_dim, kernel_size=3, dropout=0.1, normalization="layer_norm", **kwargs
    ):
        super().__init__(**kwargs)
        self.hidden_dim = check_integer("hidden_dim", hidden_dim)
        options = {"dtype": self.dtype_policy}
        self.convolution = GatedConvolution(
            hidden_dim, kernel_size, padding=self.padding, name="convolution", **options
        )
        rate = dropout_rate("dropout", dropout)
        self.dropout_layer = Dropout(rate, name="dropout", **options)
        self.residual = Residual(
            dropout=0.0,
            normalize_first=True,
            normalization=normalization,
            name="residual",
            **options,
        )
        self.supports_masking = True
        self.input_spec = keras.InputSpec(ndim=3, axes={-1: self.hidden_dim})

    def build(self, inputs_shape, **shapes):
        self.convolution.build(inputs_shape)
        self.residual.build(inputs_shape)
        self.built = True

    def convolution_inputs(self, inputs, training=None):
        """The input of the convolution: the residual stream, normalized and with dropout."""
        return self.dropout_layer(self.residual(inputs), training=training)

    def compute_output_shape(self, inputs_shape, **shapes):
        return tuple(inputs_shape)


def halve_variance(total):
    """A sum of two, times `sqrt(0.5)`: it has the variance of each, if they have the same."""
    return total * ops.cast(0.5**0.5, total.dtype)
