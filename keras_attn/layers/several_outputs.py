"""Layers that may return several outputs."""

import keras

from keras_attn.layers.dense_inputs import DenseInputs


class SeveralOutputs(DenseInputs):
    """A layer that returns more than one output if scores are asked for, or a cache is given.

    Keras would make one symbolic output of the shape that `compute_output_shape` gives. So `call`
    itself is traced instead.
    """

    def compute_output_spec(self, *args, **kwargs):
        """The symbolic outputs of symbolic inputs."""
        if not self.built:  # a call builds it first
            return self(*args, **kwargs)
        return keras.Operation.compute_output_spec(self, *args, **kwargs)
