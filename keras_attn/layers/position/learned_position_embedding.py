"""Learned position embedding (Vaswani et al., 2017, Section 3.5 and Table 3, row E)."""

import keras
from keras import ops

from keras_attn.layers.dense_inputs import DenseInputs
from keras_attn.ops.known_values import is_made_up
from keras_attn.system.argument_checks import check_integer


@keras.saving.register_keras_serializable(package="keras_attn")
class LearnedPositionEmbedding(DenseInputs):
    """Adds a trained vector for each position to its input.

    Masking: the Keras mask of the input passes through.

    Args:
        max_sequence_length: int. Number of positions that have a vector, in tokens.
        embeddings_initializer: initializer. Defaults to a normal distribution of variance `1 / D`.
        **kwargs: `name`, `dtype`, `trainable`, as in `keras.layers.Layer`.

    Call arguments:
        inputs: float, (B, T, D), or with more axes before the last two;
            `start_index + T <= max_sequence_length`.
        start_index: int or int scalar tensor. Position of the first row, for decoding step by step.

    Returns:
        float, of the shape of `inputs`. If positions are known only when the graph runs, and are
        too large, a CPU raises an error. XLA and accelerators cannot, and give NaN.

    Raises:
        ValueError: if the sequence is longer than `max_sequence_length`.

    Example:
    >>> layer = keras_attn.layers.LearnedPositionEmbedding(max_sequence_length=16)
    >>> layer(keras.ops.zeros((2, 3, 4))).shape
    TensorShape([2, 3, 4])

    References:
        - [Gehring et al., 2017](https://arxiv.org/abs/1705.03122).
    """

    def __init__(self, max_sequence_length, embeddings_initializer=None, **kwargs):
        super().__init__(**kwargs)
        self.max_sequence_length = check_integer("max_sequence_length", max_sequence_length)
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)
        self.supports_masking = True
        self.input_spec = keras.InputSpec(min_ndim=3)

    def build(self, input_shape):
        initializer = self.embeddings_initializer
        if initializer is None:
            initializer = keras.initializers.RandomNormal(stddev=input_shape[-1] ** -0.5)
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(self.max_sequence_length, input_shape[-1]),
            initializer=initializer,
        )
        self.built = True

    def call(self, inputs, start_index=0):
        length = inputs.shape[-2]
        # The length of a model's symbolic input is neither None nor a number under JAX, and made up
        # under PyTorch.
        is_known = isinstance(length, int) and not is_made_up(inputs)
        is_static = is_known and isinstance(start_index, int)
        if is_static and start_index + length > self.max_sequence_length:
            raise ValueError(
                f"A sequence of {start_index + length} positions is longer than "
                f"`max_sequence_length`={self.max_sequence_length}. Cut the input, or make the "
                f"layer with more positions. Received: shape={tuple(inputs.shape)}, "
                f"start_index={start_index}."
            )
        positions = ops.arange(ops.shape(inputs)[-2], dtype="int32")
        positions = positions + ops.cast(start_index, "int32")
        encoding = ops.take(self.embeddings, positions, axis=0)  # (T, D)
        if not is_static:  # XLA would repeat the last vector, silently
            is_learned = positions[:, None] < self.max_sequence_length
            encoding = ops.where(is_learned, encoding, float("nan"))
        return inputs + ops.cast(encoding, inputs.dtype)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self):
        initializer = keras.initializers.serialize(self.embeddings_initializer)
        return {
            **super().get_config(),
            "max_sequence_length": self.max_sequence_length,
            "embeddings_initializer": initializer,
        }
