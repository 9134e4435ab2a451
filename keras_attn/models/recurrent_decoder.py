"""The decoder of a recurrent model (Luong et al., 2015, Section 3)."""

from typing import Any, NamedTuple

import keras
from keras import ops

from keras_attn.layers.attention.beam_rows import BeamRows
from keras_attn.layers.dense_inputs import DenseInputs
from keras_attn.layers.dropout import Dropout
from keras_attn.layers.recurrent.time_steps import run_steps
from keras_attn.models.recurrent_slots import fill_recurrent_slot

Tensor = Any


class EncodedSource(NamedTuple):
    """What the decoder reads of the source at every step.

    Args:
        padding_mask: bool, (B, S). True = real token.
        value: float, (B, S, E). The encoder's output.
        key: float, (B, S, K). The same, projected by the attention.
    """

    padding_mask: Tensor
    value: Tensor
    key: Tensor


class RecurrentState(NamedTuple):
    """What the decoder knows of the previous tokens; each tensor is float32, (R, D).

    Args:
        layers: list of lists. The states of each layer.
        attentional: the attentional vector of the last step.
    """

    layers: list[list[Tensor]]
    attentional: Tensor


class RecurrentDecoder(DenseInputs):
    """Maps embedded target and source to attentional vectors, which give the logits.

        h_t  = layers([y_{t-1}; a_{t-1}])                 input feeding   (Section 3.3)
        c_t  = attention(h_t, source)
        a_t  = tanh(W_c [c_t; h_t])                                       (Equation 5)

    The first states of all layers come from the encoder's last output, by one dense layer with
    tanh.

    Training and decoding step by step use this one `call`: it continues from the state that it is
    given. What depends on the tokens alone is computed for all positions at once.

    Args:
        hidden_dim: int. Units of a layer, D.
        num_layers: int. Number of layers, L.
        cell: name or class. The recurrent layers.
        attention: name or class. The attention to the source.
        dropout: float in [0, 1). Rate applied to the input of every layer and to the results.
        **kwargs: `name`, `dtype`, `trainable`, as in `keras.layers.Layer`.

    Call arguments:
        embedded: float, (R, T, D). The embedded target.
        source: `EncodedSource`, with B rows. W adjacent rows, R = B W, may share one of them.
        state: `RecurrentState`, as `start` or a previous call returned it.
        num_beams: int. W, or None if unknown. Defaults to 1.
        return_attention_scores: bool.
        training: bool. Whether dropout acts.

    Returns:
        Attentional vectors, (R, T, D), and the state after them; with
        `return_attention_scores=True` also the weights, float32 (R, T, S).
    """

    def __init__(self, hidden_dim, num_layers, cell, attention, dropout, **kwargs):
        # The state stays float32.
        super().__init__(**{"autocast": False, **kwargs})
        self.hidden_dim = hidden_dim
        sizes = {"units": hidden_dim, "dtype": self.dtype_policy}
        self.layers = [
            fill_recurrent_slot("cell", cell, name=f"layer_{i}", **sizes) for i in range(num_layers)
        ]
        self.attention = fill_recurrent_slot("attention", attention, name="attention", **sizes)
        first = self.layers[0]
        self.num_states = num_layers * first.num_states
        self.feed_dense = self._dense(first.num_gates * hidden_dim, "feed", use_bias=False)
        self.start_dense = self._dense(self.num_states * hidden_dim, "start", activation="tanh")
        self.combine_dense = self._dense(hidden_dim, "combine", activation="tanh", use_bias=False)
        self.dropout_layer = Dropout(dropout, dtype=self.dtype_policy, name="dropout")

    def _dense(self, units, name, **options):
        return keras.layers.Dense(units, dtype=self.dtype_policy, name=name, **options)

    def build(self, embedded_shape, value_shape):
        size, source_size = self.hidden_dim, value_shape[-1]
        for layer in self.layers:
            layer.build((None, None, size))
        self.attention.build((None, None, size), value_shape)
        self.feed_dense.build((None, size))
        self.start_dense.build((None, source_size))
        self.combine_dense.build((None, source_size + size))
        self.built = True

    def start(self, last_output):
        """The state before the first token: the encoder's last output, (B, E), to (B, D) each."""
        states = ops.cast(self.start_dense(last_output), "float32")
        states = ops.split(states, self.num_states, axis=-1)
        size = self.num_states // len(self.layers)
        layers = [states[i : i + size] for i in range(0, self.num_states, size)]
        return RecurrentState(layers, ops.zeros_like(states[0]))

    def call(
        self,
        embedded,
        source,
        state,
        num_beams=1,
        return_attention_scores=False,
        training=None,
    ):
        def step(columns, state):
            return self._step(columns, source, state, num_beams, return_attention_scores)

        columns = self._columns(embedded, training)
        outputs, state = run_steps(step, columns, state, self)
        attentional = ops.cast(outputs[..., : self.hidden_dim], self.compute_dtype)
        attentional = self.dropout_layer(attentional, training=training)
        if return_attention_scores:
            return attentional, state, outputs[..., self.hidden_dim :]
        return attentional, state

    def _columns(self, embedded, training):
        """What a step needs at its position, side by side: projected inputs and dropout masks.

        Random numbers are drawn outside the loop.
        """
        embedded = self.dropout_layer(embedded, training=training)
        projected = self.layers[0].project(embedded)
        if not training or self.dropout_layer.rate == 0 or len(self.layers) == 1:
            return projected
        ones = ops.ones_like(embedded)
        masks = [self.dropout_layer(ones, training=training) for _ in self.layers[1:]]
        return ops.concatenate([projected, *masks], axis=-1)

    def _step(self, columns, source, state, num_beams, return_attention_scores):
        """One step: columns, (R, N), and a state to an attentional vector and the next state."""
        gates = self.feed_dense.units
        fed = ops.cast(self.feed_dense(state.attentional), "float32")
        projected, masks = columns[:, :gates] + fed, columns[:, gates:]
        layers: list[list[Tensor]] = []
        for i, (layer, states) in enumerate(zip(self.layers, state.layers, strict=True)):
            if i > 0:
                hidden = layers[-1][0]
                if masks.shape[-1] > 0:
                    hidden = hidden * masks[:, (i - 1) * self.hidden_dim : i * self.hidden_dim]
                projected = layer.project(hidden)
            layers.append(layer.step(projected, states))
        hidden = ops.cast(layers[-1][0], self.compute_dtype)
        context, weights = self._attend(hidden, source, num_beams)
        attentional = self.combine_dense(ops.concatenate([context, hidden], axis=-1))
        attentional = ops.cast(attentional, "float32")
        output = attentional
        if return_attention_scores:
            output = ops.concatenate([attentional, weights], axis=-1)
        return output, RecurrentState(layers, attentional)

    def _attend(self, hidden, source, num_beams):
        """Queries, (R, D), to contexts, (R, E), and weights, (R, S)."""
        query = hidden[:, None]  # (R, 1, D)
        beams = BeamRows(query, num_beams, ops.shape(source.value)[0])
        context, weights = self.attention(
            beams.join(query),
            source.value,
            source.key,
            value_mask=source.padding_mask,
            return_attention_scores=True,
        )
        weights = beams.split_scores(weights[:, None])  # (R, 1, 1, S)
        return beams.split(context)[:, 0], weights[:, 0, 0]
