"""What recurrent layers have in common: kernels, projections, the loop."""

from keras import ops

from keras_attn.layers.dense_inputs import DenseInputs
from keras_attn.layers.recurrent.time_steps import run_steps
from keras_attn.ops.axes import leading_sizes
from keras_attn.system.argument_checks import check_integer


class RecurrentLayer(DenseInputs):
    """Reads a sequence position by position; the base of all recurrent layers.

    All positions are projected in one product. Only `step` is left for each, and decoders call it
    themselves. Weights are those of Keras' layers, so they copy one to one. Products are in the
    compute dtype, gates and states in float32.

    Subclasses have `num_gates`, `num_states`, `bias_shape` and `step`.
    """

    num_gates: int
    num_states: int

    def __init__(self, units, reverse=False, **kwargs):
        super().__init__(**kwargs)
        self.units = check_integer("units", units)
        self.reverse = reverse
        self.supports_masking = True

    def build(self, inputs_shape):
        columns = self.num_gates * self.units
        self.kernel = self.add_weight(
            name="kernel", shape=(inputs_shape[-1], columns), initializer="glorot_uniform"
        )
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel", shape=(self.units, columns), initializer="orthogonal"
        )
        self.bias = self.add_weight(
            name="bias", shape=self.bias_shape, initializer=self.initial_bias
        )
        self.built = True

    @property
    def bias_shape(self):
        """The shape of `bias`."""
        return (self.num_gates * self.units,)

    def initial_bias(self, shape, dtype=None):
        """The initial value of `bias`."""
        return ops.zeros(shape, dtype)

    def project(self, inputs):
        """Projects inputs for all gates: (..., I) -> (..., num_gates * units)."""
        columns = _multiply(self, ops.reshape(inputs, (-1, inputs.shape[-1])), self.kernel)
        columns = columns + ops.cast(self.input_bias, columns.dtype)
        return ops.reshape(columns, (*leading_sizes(inputs), columns.shape[-1]))

    @property
    def input_bias(self):
        """The bias of the projected inputs."""
        return self.bias

    def project_output(self, hidden):
        """Projects the last output for all gates: (B, D) -> float32, (B, num_gates * units)."""
        return ops.cast(_multiply(self, hidden, self.recurrent_kernel), "float32")

    def step(self, projected, states):
        """One position.

        Args:
            projected: float, (B, num_gates * units), from `project`.
            states: list of float32, (B, units) each. The first is the last output.

        Returns:
            The states after it. The first is the output.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement `step`.")

    def call(self, inputs, mask=None):
        def step(projected, states):
            states = self.step(projected, states)
            return states[0], states

        zeros = ops.zeros((ops.shape(inputs)[0], self.units), "float32")
        states = [zeros] * self.num_states
        outputs, _ = run_steps(step, self.project(inputs), states, self, mask, self.reverse)
        return ops.cast(outputs, self.compute_dtype)

    def last_output(self, outputs):
        """The output after the whole sequence: (B, T, units) -> (B, units)."""
        return outputs[:, 0] if self.reverse else outputs[:, -1]

    def compute_output_shape(self, inputs_shape):
        return (*inputs_shape[:-1], self.units)

    def get_config(self):
        return {**super().get_config(), "units": self.units, "reverse": self.reverse}


def _multiply(layer, rows, kernel):
    return ops.matmul(ops.cast(rows, layer.compute_dtype), ops.cast(kernel, layer.compute_dtype))
