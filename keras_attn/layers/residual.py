"""Residual connection with normalization (Vaswani et al., 2017, Sections 3.1 and 5.4)."""

import keras

from keras_attn.layers.dense_inputs import DenseInputs
from keras_attn.layers.dropout import Dropout
from keras_attn.layers.size_checks import are_compatible, dropout_rate
from keras_attn.layers.slots import fill_slot, serialize_slot


@keras.saving.register_keras_serializable(package="keras_attn")
class Residual(DenseInputs):
    """A residual connection around a sublayer, with dropout and normalization.

        normalize_first=False:   norm(x + dropout(sublayer(x)))          the paper (post-norm)
        normalize_first=True:    x + dropout(sublayer(norm(x)))          pre-norm

    This is the only layer that knows the two orders. Call it before the sublayer, with the input,
    and after the sublayer, with the input and the output:

        y = sublayer(residual(x))
        x = residual(x, y)

    So the sublayer can be anything, with any number of other inputs and outputs.

    Masking: the Keras mask of the input passes through.

    Args:
        dropout: float in [0, 1). Rate applied to the sublayer's output. Defaults to the base
            model's `0.1`.
        normalize_first: bool. Defaults to `False`, as in the paper.
        normalization: name (`"layer_norm"`, `"rms_norm"`), class, layer, config, or None for
            none. Defaults to `"layer_norm"`.
        epsilon: float. Added to the variance. Defaults to `1e-6`, as in Tensor2Tensor.
        seed: int. Seed of the dropout.
        stochastic_depth: float in [0, 1). Rate at which, in training, the sublayer is left out for
            a whole row of the batch. Defaults to `0.0`.
        **kwargs: `name`, `dtype`, `trainable`, as in `keras.layers.Layer`.

    Call arguments:
        inputs: float, (B, T, D), or of any other rank of at least 2. The residual stream, x.
        sublayer_outputs: float, of the same shape. The sublayer's output; None before the sublayer.
        training: bool. Whether dropout acts.

    Returns:
        float, of the shape of `inputs`. The input of the sublayer, or the new residual stream.

    Raises:
        ValueError: if the two shapes differ.

    Example:
    >>> dense, residual = keras.layers.Dense(4), keras_attn.layers.Residual()
    >>> x = keras.ops.ones((2, 3, 4))
    >>> residual(x, dense(residual(x))).shape
    TensorShape([2, 3, 4])

    References:
        - [He et al., 2016](https://arxiv.org/abs/1512.03385).
        - [Xiong et al., 2020](https://arxiv.org/abs/2002.04745), on the two orders.
        - [Huang et al., 2016](https://arxiv.org/abs/1603.09382), stochastic depth.
    """

    def __init__(
        self,
        dropout=0.1,
        normalize_first=False,
        normalization="layer_norm",
        epsilon=1e-6,
        seed=None,
        stochastic_depth=0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.dropout = dropout_rate("dropout", dropout)
        self.normalize_first = normalize_first
        self.epsilon = epsilon
        self.seed = seed
        self.stochastic_depth = dropout_rate("stochastic_depth", stochastic_depth)
        self._normalization_config = serialize_slot(normalization)
        self.normalization = self._make_normalization("normalization")
        self.dropout_layer = Dropout(dropout, seed=seed, dtype=self.dtype_policy, name="dropout")
        self.depth_layer = None
        self.supports_masking = True
        self.input_spec = keras.InputSpec(min_ndim=2)

    def _make_normalization(self, name):
        return fill_slot(
            "normalization",
            self._normalization_config,
            name=name,
            clone=True,
            epsilon=self.epsilon,
            dtype=self.dtype_policy,
        )

    def build(self, inputs_shape, sublayer_outputs_shape=None):
        if self.normalization is not None:
            self.normalization.build(inputs_shape)
        if self.stochastic_depth:
            self.depth_layer = Dropout(
                self.stochastic_depth,
                noise_shape=(None, *[1] * (len(inputs_shape) - 1)),
                seed=self.seed,
                dtype=self.dtype_policy,
                name="stochastic_depth",
            )
        self.built = True

    def call(self, inputs, sublayer_outputs=None, training=None):
        if sublayer_outputs is None:
            return self._normalize(inputs) if self.normalize_first else inputs
        if not are_compatible(inputs.shape, sublayer_outputs.shape):  # they would be broadcast
            raise ValueError(
                "`sublayer_outputs` must have the shape of `inputs`. Received: "
                f"{tuple(sublayer_outputs.shape)}, {tuple(inputs.shape)}."
            )
        sublayer_outputs = self.dropout_layer(sublayer_outputs, training=training)
        if self.depth_layer is not None:
            sublayer_outputs = self.depth_layer(sublayer_outputs, training=training)
        outputs = inputs + sublayer_outputs
        return outputs if self.normalize_first else self._normalize(outputs)

    def _normalize(self, inputs):
        return inputs if self.normalization is None else self.normalization(inputs)

    def compute_output_shape(self, inputs_shape, sublayer_outputs_shape=None):
        return tuple(inputs_shape)

    def get_config(self):
        return {
            **super().get_config(),
            "dropout": self.dropout,
            "normalize_first": self.normalize_first,
            "normalization": serialize_slot(self.normalization),
            "epsilon": self.epsilon,
            "seed": self.seed,
            "stochastic_depth": self.stochastic_depth,
        }
