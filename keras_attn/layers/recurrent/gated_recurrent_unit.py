"""Gated recurrent unit (Cho et al., 2014)."""

import keras
from keras import ops

from keras_attn.layers.recurrent.recurrent_layer import RecurrentLayer
from keras_attn.ops.recurrence import gated_recurrent_unit


@keras.saving.register_keras_serializable(package="keras_attn")
class GatedRecurrentUnit(RecurrentLayer):
    """Reads a sequence; gates mix each output with the last one.

        x_z, x_r, x_n = split(x W + b)
        h_z, h_r, h_n = split(h U + b')
        z  = sigmoid(x_z + h_z)
        r  = sigmoid(x_r + h_r)
        h' = z h + (1 - z) tanh(x_n + r h_n)

    The weights are those of `keras.layers.GRU`, and so is the result. As there, the reset gate acts
    after the product with U, a departure from the paper.

    Masking: a masked position leaves the state as it is, in both directions, so padding changes
    nothing; its output repeats that of the position that was read before it.

    Args:
        units: int. Size of the output.
        reverse: bool. Read from the last position to the first; outputs stay at their positions.
            Defaults to `False`.
        **kwargs: `name`, `dtype`, `trainable`, as in `keras.layers.Layer`.

    Call arguments:
        inputs: float, (B, T, D).
        mask: bool, (B, T). True = real token. Defaults to the Keras mask of the inputs.

    Returns:
        float, (B, T, units).

    Example:
    >>> layer = keras_attn.layers.GatedRecurrentUnit(4)
    >>> layer(keras.ops.ones((2, 3, 5))).shape
    TensorShape([2, 3, 4])

    References:
        - [Cho et al., 2014](https://arxiv.org/abs/1406.1078), Equations 5 to 8.
    """

    num_gates = 3
    num_states = 1

    @property
    def bias_shape(self):
        return (2, self.num_gates * self.units)

    @property
    def input_bias(self):
        return self.bias[0]

    def step(self, projected, states):
        (hidden,) = states
        recurrent = self.project_output(hidden) + ops.cast(self.bias[1], "float32")
        return [gated_recurrent_unit(ops.cast(projected, "float32"), recurrent, hidden)]
