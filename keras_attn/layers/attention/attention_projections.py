"""The weights of an attention layer: projections, heads and their configuration."""

import operator

import keras

from keras_attn.layers.attention.heads_dense import HeadsDense
from keras_attn.layers.dropout import Dropout
from keras_attn.layers.initializers import clone_initializer, with_gain
from keras_attn.layers.plain_config import serialize_part
from keras_attn.layers.position.attention_position import as_attention_position
from keras_attn.layers.several_outputs import SeveralOutputs
from keras_attn.layers.size_checks import are_compatible, dropout_rate
from keras_attn.system.argument_checks import check_integer


class AttentionProjections(SeveralOutputs):
    """Projects queries, keys and values to heads, and heads back; the base of attention layers.

    Weights have the names, shapes and order of `keras.layers.MultiHeadAttention`. The arguments
    are described in `MultiHeadAttention`.
    """

    def __init__(
        self,
        num_heads,
        key_dim,
        value_dim=None,
        dropout=0.0,
        use_bias=True,
        output_shape=None,
        attention_axes=None,
        sliding_window=None,
        flash_attention=None,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        use_gate=False,
        seed=None,
        num_key_value_heads=None,
        projection_gain=1.0,
        position=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_heads = check_integer("num_heads", num_heads)
        self.key_dim = check_integer("key_dim", key_dim)
        value_dim = key_dim if value_dim is None else value_dim
        self.value_dim = check_integer("value_dim", value_dim)
        self.dropout = dropout_rate("dropout", dropout)
        self.use_bias = use_bias
        # `output_shape` itself is a property of keras.layers.Layer.
        self.output_dims = _output_dims(output_shape)
        self.attention_axes = _axes(attention_axes)
        self.sliding_window = sliding_window
        if sliding_window is not None:
            self.sliding_window = check_integer("sliding_window", sliding_window)
        self.flash_attention = flash_attention
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.projection_activity_regularizer = keras.regularizers.get(activity_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)
        self.use_gate = use_gate
        self.seed = seed
        groups = num_heads if num_key_value_heads is None else num_key_value_heads
        self.num_key_value_heads = check_integer("num_key_value_heads", groups)
        self.projection_gain = float(projection_gain)
        self.position = as_attention_position(position)
        self.supports_masking = True
        self._check_arguments()

    def _check_arguments(self):
        if self.num_heads % self.num_key_value_heads:
            raise ValueError(
                "`num_key_value_heads` must divide `num_heads`. Received: "
                f"num_key_value_heads={self.num_key_value_heads}, num_heads={self.num_heads}."
            )
        if not self.projection_gain > 0.0:
            raise ValueError(
                "`projection_gain` must be greater than zero. "
                f"Received: projection_gain={self.projection_gain}."
            )
        is_scaling = isinstance(self.kernel_initializer, keras.initializers.VarianceScaling)
        if self.projection_gain != 1.0 and not is_scaling:
            raise ValueError(
                "`projection_gain` must be 1.0 with a `kernel_initializer` that does not scale a "
                f"variance. Received: projection_gain={self.projection_gain}, "
                f"kernel_initializer={self.kernel_initializer}."
            )
        if self.flash_attention:
            raise ValueError(
                "`flash_attention` must be None or False: TensorFlow has no such kernel. "
                f"Received: flash_attention={self.flash_attention}."
            )

    def _check_shapes(self, query_shape, value_shape=None, key_shape=None):
        """Raises ValueError unless the inputs are sequences of vectors that fit together."""
        if len(query_shape) < 3:
            raise ValueError(
                "`query` must be of shape (batch, length, channels), or have more axes between. "
                f"Received: query_shape={tuple(query_shape)}."
            )
        value_shape = query_shape if value_shape is None else value_shape
        if len(value_shape) != len(query_shape):
            raise ValueError(
                "`value` must have as many axes as `query`. Received: "
                f"query_shape={tuple(query_shape)}, value_shape={tuple(value_shape)}."
            )
        key_shape = value_shape if key_shape is None else key_shape
        if not are_compatible(value_shape[:-1], key_shape[:-1]):
            raise ValueError(
                "All axes of `value` and `key` but the last must be equal. Received: "
                f"value_shape={tuple(value_shape)}, key_shape={tuple(key_shape)}."
            )

    def _check_rows(self, query_shape, value_shape):
        if len({query_shape[0], value_shape[0]} - {None, 1}) > 1:
            raise ValueError(
                "`value` must have as many rows as `query`. Received: "
                f"query_shape={tuple(query_shape)}, value_shape={tuple(value_shape)}."
            )

    # Weights

    def build(self, query_shape, value_shape=None, key_shape=None):
        self._check_shapes(query_shape, value_shape, key_shape)
        value_shape = query_shape if value_shape is None else value_shape
        key_shape = value_shape if key_shape is None else key_shape
        heads, groups = self.num_heads, self.num_key_value_heads
        self.query_dense = self._make_projection("query", query_shape[-1], heads, self.key_dim)
        self.key_dense = self._make_projection("key", key_shape[-1], groups, self.key_dim)
        if self.use_gate:
            self.gate_dense = self._make_projection(
                "gate", query_shape[-1], heads, self.value_dim, activation="sigmoid"
            )
        self.value_dense = self._make_projection("value", value_shape[-1], groups, self.value_dim)
        output_dims = self.output_dims or (query_shape[-1],)
        letters = "efgh"[: len(output_dims)]
        self.output_dense = HeadsDense(
            f"abcd,cd{letters}->ab{letters}",
            output_shape=(None, *output_dims),
            bias_axes=letters if self.use_bias else None,
            name="attention_output",
            **self._projection_arguments(gain=1.0),
        )
        self.output_dense.build((None, None, heads, self.value_dim))
        self.dropout_layer = Dropout(
            self.dropout, seed=self.seed, dtype=self.dtype_policy, name="dropout"
        )
        if self.position is not None and not self.position.built:
            self.position.build_for(heads, self.key_dim, self.value_dim)
        self.built = True

    def _make_projection(self, name, input_dim, num_heads, head_dim, activation=None):
        dense = HeadsDense(
            "abc,cde->abde",
            output_shape=(None, num_heads, head_dim),
            bias_axes="de" if self.use_bias else None,
            activation=activation,
            name=name,
            **self._projection_arguments(gain=self.projection_gain),
        )
        dense.build((None, None, input_dim))
        # The masks act in `attend`. Without this, the projections would warn that they drop them.
        dense.supports_masking = True
        return dense

    def _projection_arguments(self, gain):
        return {
            "kernel_initializer": with_gain(self.kernel_initializer, gain),
            "bias_initializer": clone_initializer(self.bias_initializer),
            "kernel_regularizer": self.kernel_regularizer,
            "bias_regularizer": self.bias_regularizer,
            "activity_regularizer": self.projection_activity_regularizer,
            "kernel_constraint": self.kernel_constraint,
            "bias_constraint": self.bias_constraint,
            "dtype": self.dtype_policy,
        }

    def get_config(self):
        config = {
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "value_dim": self.value_dim,
            "dropout": self.dropout,
            "use_bias": self.use_bias,
            "output_shape": self.output_dims,
            "attention_axes": self.attention_axes,
            "sliding_window": self.sliding_window,
            "flash_attention": self.flash_attention,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer),
            "activity_regularizer": keras.regularizers.serialize(
                self.projection_activity_regularizer
            ),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
            "bias_constraint": keras.constraints.serialize(self.bias_constraint),
            "use_gate": self.use_gate,
            "seed": self.seed,
            "num_key_value_heads": self.num_key_value_heads,
            "projection_gain": self.projection_gain,
            "position": serialize_part(self.position),
        }
        return {**super().get_config(), **config}


def _output_dims(output_shape):
    """None, a size or a sequence of sizes as a tuple of int (or None)."""
    if output_shape is None:
        return None
    sizes = output_shape if isinstance(output_shape, (list, tuple)) else (output_shape,)
    try:
        return tuple(check_integer("output_shape", size) for size in sizes)
    except ValueError as error:
        raise ValueError(
            "Invalid `output_shape`: it must be an integer of at least 1, or a tuple of them. "
            f"Received: output_shape={output_shape!r}."
        ) from error


def _axes(attention_axes):
    """None, an axis or a sequence of axes as a tuple of int (or None)."""
    if attention_axes is None:
        return None
    axes = attention_axes if isinstance(attention_axes, (list, tuple)) else (attention_axes,)
    try:
        return tuple(operator.index(axis) for axis in axes)
    except TypeError as error:
        raise ValueError(
            "`attention_axes` must be an integer, or a tuple of them. "
            f"Received: attention_axes={attention_axes!r}."
        ) from error
