"""What encoder and decoder blocks have in common: sizes, slots and configuration."""

import inspect

import keras

from keras_attn.layers.plain_config import plain_config, serialize_part
from keras_attn.layers.position.attention_position import AttentionPosition
from keras_attn.layers.residual import Residual
from keras_attn.layers.sandwich_residual import SandwichResidual
from keras_attn.layers.several_outputs import SeveralOutputs
from keras_attn.layers.size_checks import check_heads, dropout_rate
from keras_attn.layers.slots import SLOTS, copy_layer, fill_slot, serialize_slot, with_own_seed
from keras_attn.system.argument_checks import check_integer

# Here, because residual connections themselves have a slot.
SLOTS["residual"] = {"residual": Residual, "sandwich": SandwichResidual}

_SUBLAYERS = ("self_attention", "cross_attention", "feed_forward")


class TransformerBlock(SeveralOutputs):
    """Self-attention and a feed-forward network with slots; the base of both kinds of block."""

    is_causal = False  # whether self-attention is

    def __init__(
        self,
        hidden_dim=512,
        intermediate_dim=2048,
        num_heads=8,
        dropout=0.1,
        attention_dropout=0.0,
        projection_gain=1.0,
        activation="relu",
        normalize_first=False,
        attention="multi_head",
        position=None,
        feed_forward="feed_forward",
        normalization="layer_norm",
        residual="residual",
        stochastic_depth=0.0,
        normalization_epsilon=1e-6,
        max_sequence_length=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.hidden_dim = check_integer("hidden_dim", hidden_dim)
        self.intermediate_dim = check_integer("intermediate_dim", intermediate_dim)
        self.num_heads = check_integer("num_heads", num_heads)
        check_heads(self.hidden_dim, self.num_heads)
        self.dropout = dropout_rate("dropout", dropout)
        self.attention_dropout = dropout_rate("attention_dropout", attention_dropout)
        self.projection_gain = projection_gain
        self.activation = keras.activations.get(activation)
        self.normalize_first = normalize_first
        self.normalization = serialize_slot(normalization)
        self.residual = serialize_slot(residual)
        self.stochastic_depth = dropout_rate("stochastic_depth", stochastic_depth)
        self.normalization_epsilon = normalization_epsilon
        self.max_sequence_length = max_sequence_length
        self.supports_masking = True
        self.input_spec = keras.InputSpec(min_ndim=3)
        # Assigned once: Keras goes on to track a layer whose attribute is replaced.
        filled_position = self._fill("position", position)
        filled_attention = self._fill("attention", attention, "self_attention")
        if isinstance(filled_position, AttentionPosition):
            filled_attention = _with_position(filled_attention, filled_position)
            filled_position = None
        self.position, self.self_attention = filled_position, filled_attention
        self.self_attention_residual = self._residual("self_attention")
        self.feed_forward = self._fill("feed_forward", feed_forward)
        self.feed_forward_residual = self._residual("feed_forward")

    def _fill(self, slot, filling, name=None, clone=False):
        """The layer of a slot, made with the sizes of this block."""
        sizes = {
            "num_heads": self.num_heads,
            "key_dim": self.hidden_dim // self.num_heads,
            "intermediate_dim": self.intermediate_dim,
            "activation": self.activation,
            "dropout": self.attention_dropout if slot == "attention" else 0.0,
            "max_sequence_length": self.max_sequence_length,
            "projection_gain": self.projection_gain,
            "bidirectional": not self.is_causal,
            "dtype": self.dtype_policy,
        }
        return fill_slot(slot, filling, name=name or slot, clone=clone, **sizes)

    def _residual(self, name):
        return fill_slot(
            "residual",
            with_own_seed(self.residual, _SUBLAYERS.index(name)),
            name=f"{name}_residual",
            clone=True,
            dropout=self.dropout,
            normalize_first=self.normalize_first,
            normalization=self.normalization,
            epsilon=self.normalization_epsilon,
            stochastic_depth=self.stochastic_depth,
            dtype=self.dtype_policy,
        )

    def build(self, inputs_shape, **shapes):
        if inputs_shape[-1] != self.hidden_dim:
            raise ValueError(
                "The last axis of `inputs` must be `hidden_dim`. "
                f"Received: shape={tuple(inputs_shape)}, hidden_dim={self.hidden_dim}."
            )
        for layer in (self.position, self.feed_forward):
            if layer is not None and not layer.built:
                layer.build(inputs_shape)
        build_attention(self.self_attention, inputs_shape, inputs_shape)
        self.self_attention_residual.build(inputs_shape)
        self.feed_forward_residual.build(inputs_shape)
        self.built = True

    def feed(self, hidden, training=None):
        """The feed-forward network in its residual connection: (B, T, D) -> (B, T, D)."""
        options = given(training=training)
        outputs = self.feed_forward(self.feed_forward_residual(hidden), **options)
        return self.feed_forward_residual(hidden, outputs, **options)

    def compute_output_shape(self, inputs_shape, **shapes):
        return tuple(inputs_shape)

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "intermediate_dim": self.intermediate_dim,
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "attention_dropout": self.attention_dropout,
            "projection_gain": self.projection_gain,
            "activation": keras.activations.serialize(self.activation),
            "normalize_first": self.normalize_first,
            "attention": serialize_part(self.self_attention),
            "position": serialize_part(self.position),
            "feed_forward": serialize_part(self.feed_forward),
            "normalization": plain_config(self.normalization),
            "residual": plain_config(self.residual),
            "stochastic_depth": self.stochastic_depth,
            "normalization_epsilon": self.normalization_epsilon,
            "max_sequence_length": self.max_sequence_length,
        }


def build_attention(attention, query_shape, value_shape):
    """Builds an attention layer, even if its `build` takes a single shape, like Keras' default."""
    if attention.built:
        return
    shapes = (query_shape, value_shape)
    parameters = inspect.signature(attention.build).parameters.values()
    if not any(one.kind is one.VAR_POSITIONAL for one in parameters):
        shapes = shapes[: len(parameters)]
    attention.build(*shapes)


def _with_position(attention, position):
    """A copy of an attention layer, without its weights, that has the position."""
    if not hasattr(attention, "position"):
        raise ValueError(
            f"`position` {type(position).__name__} acts inside attention, and this attention "
            "has no argument for it. Choose one that is added to the embeddings, such as "
            f"'sinusoidal'. Received: attention={type(attention).__name__}."
        )
    return copy_layer(attention, position=copy_layer(position))


def given(**arguments):
    """The arguments that are not None.

    A layer of your own in a slot need not know the others, and for Keras `training=None` would
    switch its dropout off, whatever the call around this one says.
    """
    return {name: value for name, value in arguments.items() if value is not None}


def as_tuple(outputs):
    """A layer's outputs as a tuple, even if there is only one."""
    return outputs if isinstance(outputs, tuple) else (outputs,)
