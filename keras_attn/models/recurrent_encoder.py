"""The encoder of a recurrent model (Bahdanau et al., 2015, Section 3.2)."""

from keras import ops

from keras_attn.layers.dense_inputs import DenseInputs
from keras_attn.layers.dropout import Dropout
from keras_attn.models.recurrent_slots import fill_recurrent_slot


class RecurrentEncoder(DenseInputs):
    """Maps an embedded source to one vector per token, and one for the whole.

    The first layers read in both directions, each with `hidden_dim` units, and put the two outputs
    side by side; the others read from left to right.

    Args:
        hidden_dim: int. Units of a layer, in one direction, D.
        num_layers: int. Number of layers, L.
        num_bidirectional_layers: int. How many of the first layers read in both directions.
        cell: name or class. The recurrent layers.
        dropout: float in [0, 1). Rate applied to the input of every layer.
        **kwargs: `name`, `dtype`, `trainable`, as in `keras.layers.Layer`.

    Call arguments:
        embedded: float, (B, S, D).
        padding_mask: bool, (B, S). True = real token.
        training: bool. Whether dropout acts.

    Returns:
        The outputs of the last layer, (B, S, E), and its last output, (B, E): if it has two
        directions, the output of each after the whole sentence. E is `output_dim`.
    """

    def __init__(self, hidden_dim, num_layers, num_bidirectional_layers, cell, dropout, **kwargs):
        super().__init__(**kwargs)
        self.hidden_dim = hidden_dim
        self.dropout_layer = Dropout(dropout, dtype=self.dtype_policy, name="dropout")

        def make(name, reverse=False):
            sizes = {"units": hidden_dim, "reverse": reverse, "dtype": self.dtype_policy}
            return fill_recurrent_slot("cell", cell, name=name, **sizes)

        self.forward_layers = [make(f"forward_{i}") for i in range(num_layers)]
        self.backward_layers = [
            make(f"backward_{i}", reverse=True) for i in range(num_bidirectional_layers)
        ]

    @property
    def output_dim(self):
        """Size of an output, E."""
        return len(self._layers_of(len(self.forward_layers) - 1)) * self.hidden_dim

    def _layers_of(self, index):
        """The layer, or the layers of both directions, that read the same input."""
        return [self.forward_layers[index], *self.backward_layers[index : index + 1]]

    def build(self, embedded_shape=None):
        size = self.hidden_dim
        for i in range(len(self.forward_layers)):
            layers = self._layers_of(i)
            for layer in layers:
                layer.build((None, None, size))
            size = len(layers) * self.hidden_dim
        self.built = True

    def call(self, embedded, padding_mask=None, training=None):
        hidden = embedded
        for i in range(len(self.forward_layers)):
            hidden = self.dropout_layer(hidden, training=training)
            layers = self._layers_of(i)
            outputs = [layer(hidden, mask=padding_mask) for layer in layers]
            hidden = ops.concatenate(outputs, axis=-1)
        last = [layer.last_output(one) for layer, one in zip(layers, outputs, strict=True)]
        return hidden, ops.concatenate(last, axis=-1)
