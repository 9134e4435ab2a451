"""Sinusoidal position encoding as a layer (Vaswani et al., 2017, Section 3.5)."""

import keras
from keras import ops

from keras_attn.layers.dense_inputs import DenseInputs
from keras_attn.ops import sinusoidal_encoding
from keras_attn.system.argument_checks import check_integer


@keras.saving.register_keras_serializable(package="keras_attn")
class SinusoidalPositionEncoding(DenseInputs):
    """Adds sines and cosines of the position to its input.

        PE(pos, 2i)     = sin(pos / max_wavelength^(2i / D))
        PE(pos, 2i + 1) = cos(pos / max_wavelength^(2i / D))

    The encoding is computed in float32 under every dtype policy: in half precision, neighboring
    positions beyond a few hundred would become the same number. It has no weights and no limit
    on the length.

    Masking: the Keras mask of the input passes through.

    Args:
        max_wavelength: float. Longest wavelength divided by 2 pi. Defaults to the paper's 10,000.
        offset: int. The position of the first row. Other toolkits begin at 1 or 2. Defaults to 0.
        halves: bool. All sines, then all cosines, as in Tensor2Tensor and Marian, instead of
            alternating. Defaults to `False`, as in the paper.
        **kwargs: `name`, `dtype`, as in `keras.layers.Layer`.

    Call arguments:
        inputs: float, (B, T, D), or with more axes before the last two.
        start_index: int or int scalar tensor. Position of the first row, for decoding step by step.

    Returns:
        float, of the shape of `inputs`.

    Example:
    >>> layer = keras_attn.layers.SinusoidalPositionEncoding()
    >>> layer(keras.ops.zeros((1, 2, 4))).numpy().round(2).tolist()
    [[[0.0, 1.0, 0.0, 1.0], [0.8399999737739563, 0.5400000214576721, 0.009999999776482582, 1.0]]]

    References:
        - [Vaswani et al., 2017](https://arxiv.org/abs/1706.03762), Section 3.5.
    """

    def __init__(self, max_wavelength=10_000.0, offset=0, halves=False, **kwargs):
        super().__init__(**kwargs)
        self.max_wavelength = max_wavelength
        self.offset = check_integer("offset", offset, minimum=0)
        self.halves = halves
        self.supports_masking = True
        self.input_spec = keras.InputSpec(min_ndim=3)

    def build(self, input_shape=None):
        self.built = True

    def call(self, inputs, start_index=0):
        encoding = self.encoding(ops.shape(inputs)[-2], inputs.shape[-1], start_index)
        return inputs + ops.cast(encoding, inputs.dtype)

    def encoding(self, length, hidden_dim, start_index=0):
        """What is added: float32, (T, D).

        Args:
            length: int or int scalar tensor. Number of positions, T.
            hidden_dim: int. Width, D.
            start_index: int or int scalar tensor. Position of the first row.
        """
        start_index = start_index + self.offset
        return sinusoidal_encoding(
            length, hidden_dim, start_index, self.max_wavelength, self.halves
        )

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self):
        return {
            **super().get_config(),
            "max_wavelength": self.max_wavelength,
            "offset": self.offset,
            "halves": self.halves,
        }
