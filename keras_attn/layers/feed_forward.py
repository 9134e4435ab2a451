"""Position-wise feed-forward network (Vaswani et al., 2017, Section 3.3, Equation 2)."""

import keras
from keras import ops

from keras_attn.layers.dense_inputs import DenseInputs
from keras_attn.layers.dropout import Dropout
from keras_attn.layers.initializers import clone_initializer
from keras_attn.layers.size_checks import dropout_rate
from keras_attn.ops.axes import leading_sizes
from keras_attn.system.argument_checks import check_integer


@keras.saving.register_keras_serializable(package="keras_attn")
class FeedForward(DenseInputs):
    """Two dense layers with an activation between them, the same at every position.

        FFN(x) = activation(x W_1 + b_1) W_2 + b_2                       (Eq. 2)

    Masking: the Keras mask of the input passes through.

    Args:
        intermediate_dim: int. Width of the inner layer, F (`d_ff`). Defaults to the paper's 2048.
        activation: activation. Defaults to `"relu"`, as in the paper.
        dropout: float in [0, 1). Rate between the activation and `W_2`. Defaults to `0.0`, as in
            the paper; Tensor2Tensor used 0.1.
        use_bias: bool. Defaults to `True`, as in the paper.
        kernel_initializer: initializer. Defaults to `"glorot_uniform"`.
        bias_initializer: initializer. Defaults to `"zeros"`.
        seed: int. Seed of the dropout.
        **kwargs: `name`, `dtype`, `trainable`, as in `keras.layers.Layer`.

    Call arguments:
        inputs: float, (B, T, D), or of any other rank of at least 2.
        training: bool. Whether dropout acts.

    Returns:
        float, of the shape of `inputs`.

    Example:
    >>> layer = keras_attn.layers.FeedForward(intermediate_dim=8)
    >>> layer(keras.ops.ones((2, 3, 4))).shape
    TensorShape([2, 3, 4])

    References:
        - [Vaswani et al., 2017](https://arxiv.org/abs/1706.03762), Section 3.3.
    """

    def __init__(
        self,
        intermediate_dim=2048,
        activation="relu",
        dropout=0.0,
        use_bias=True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.intermediate_dim = check_integer("intermediate_dim", intermediate_dim)
        self.activation = keras.activations.get(activation)
        self.dropout = dropout_rate("dropout", dropout)
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.seed = seed
        self.supports_masking = True
        self.input_spec = keras.InputSpec(min_ndim=2)

    def build(self, input_shape):
        self.intermediate_dense = self._dense(self.intermediate_dim, "intermediate")
        self.intermediate_dense.build(input_shape)
        self.dropout_layer = Dropout(
            self.dropout, seed=self.seed, dtype=self.dtype_policy, name="dropout"
        )
        self.output_dense = self._dense(input_shape[-1], "output")
        self.output_dense.build((*input_shape[:-1], self.intermediate_dim))
        self.built = True

    def _dense(self, units, name):
        return keras.layers.Dense(
            units,
            use_bias=self.use_bias,
            kernel_initializer=clone_initializer(self.kernel_initializer),
            bias_initializer=clone_initializer(self.bias_initializer),
            dtype=self.dtype_policy,
            name=name,
        )

    def call(self, inputs, training=None):
        # As rows: Keras multiplies an input of rank 3 in a roundabout way (`tensordot`).
        rows = ops.reshape(inputs, (-1, inputs.shape[-1]))  # (B * T, D)
        hidden = self.dropout_layer(self.inner_layer(rows), training=training)  # (B * T, F)
        return ops.reshape(self.output_dense(hidden), (*leading_sizes(inputs), inputs.shape[-1]))

    def inner_layer(self, rows):
        """The inner layer, which a subclass may replace: (B * T, D) -> (B * T, F)."""
        return self.activation(self.intermediate_dense(rows))

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self):
        return {
            **super().get_config(),
            "intermediate_dim": self.intermediate_dim,
            "activation": keras.activations.serialize(self.activation),
            "dropout": self.dropout,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "seed": self.seed,
        }
