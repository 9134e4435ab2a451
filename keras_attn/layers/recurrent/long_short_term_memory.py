"""Long short-term memory (Hochreiter and Schmidhuber, 1997)."""

import keras
from keras import ops

from keras_attn.layers.recurrent.recurrent_layer import RecurrentLayer
from keras_attn.ops.recurrence import long_short_term_memory


@keras.saving.register_keras_serializable(package="keras_attn")
class LongShortTermMemory(RecurrentLayer):
    """Reads a sequence with a memory that is written, forgotten and read by gates.

        gates  = x W + h U + b
        i, f, g, o = split(gates)
        c'     = sigmoid(f) c + sigmoid(i) tanh(g)
        h'     = sigmoid(o) tanh(c')

    The weights are those of `keras.layers.LSTM`, and so is the result. The forget gate starts with
    a bias of 1 (Jozefowicz et al., 2015).

    Masking: a masked position leaves the memory as it is, in both directions, so padding changes
    nothing; its output repeats that of the position that was read before it.

    Args:
        units: int. Size of output and memory.
        reverse: bool. Read from the last position to the first; outputs stay at their positions.
            Defaults to `False`.
        **kwargs: `name`, `dtype`, `trainable`, as in `keras.layers.Layer`.

    Call arguments:
        inputs: float, (B, T, D).
        mask: bool, (B, T). True = real token. Defaults to the Keras mask of the inputs.

    Returns:
        float, (B, T, units).

    Example:
    >>> layer = keras_attn.layers.LongShortTermMemory(4)
    >>> layer(keras.ops.ones((2, 3, 5))).shape
    TensorShape([2, 3, 4])

    References:
        - [Hochreiter and Schmidhuber, 1997](https://doi.org/10.1162/neco.1997.9.8.1735).
        - [Jozefowicz et al., 2015](https://proceedings.mlr.press/v37/jozefowicz15.html).
    """

    num_gates = 4
    num_states = 2

    def initial_bias(self, shape, dtype=None):
        gates = [ops.zeros, ops.ones, ops.zeros, ops.zeros]
        return ops.concatenate([fill((self.units,), dtype) for fill in gates])

    def step(self, projected, states):
        hidden, memory = states
        gates = ops.cast(projected, "float32") + self.project_output(hidden)
        return list(long_short_term_memory(gates, memory))
