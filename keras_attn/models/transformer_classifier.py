"""A Transformer that classifies text: an encoder and one dense layer."""

import keras

from keras_attn.layers.dropout import Dropout
from keras_attn.models.encoder import Encoder
from keras_attn.models.one_stack_model import OneStackModel
from keras_attn.ops import padding_mask
from keras_attn.ops.pooling import first_position, masked_mean
from keras_attn.system.argument_checks import check_integer
from keras_attn.system.did_you_mean import did_you_mean

POOLINGS = {"mean": masked_mean, "first": first_position}


@keras.saving.register_keras_serializable(package="keras_attn")
class TransformerClassifier(OneStackModel):
    """Sequence classifier: encoder, mean of the real tokens, dropout, dense layer.

        logits = dropout(mean over real s of encoder(ids)_s) W + b

    Train it with Keras' losses: `SparseCategoricalCrossentropy(from_logits=True)`, or, with
    `num_classes=1`, `BinaryCrossentropy(from_logits=True)`.

    Masking: id 0 is padding, and changes nothing. A row of only padding gives finite logits.

    Args:
        vocabulary_size: int. Number of tokens, V. Defaults to 37,000.
        num_classes: int. Number of logits, C. Defaults to 2.
        pooling: `"mean"` of the real tokens, or `"first"`, for texts that begin with a token that
            stands for the whole, as in BERT. Defaults to `"mean"`.
        name, dtype, trainable: as in `keras.Model`.
        **stack: arguments of `Encoder`: `hidden_dim`, `intermediate_dim`, `num_heads`,
            `num_layers`, `dropout`, `attention`, `position` ...; `dropout` also acts before the
            dense layer.

    Call arguments:
        token_ids: int, (B, S); 0 is padding.
        training: bool. Whether dropout acts.

    Returns:
        Logits, (B, C).

    Raises:
        ValueError: if the ids are not integers of rank 2, or an argument is out of range.

    Example:
    >>> model = keras_attn.models.TransformerClassifier(
    ...     vocabulary_size=20, num_classes=3, hidden_dim=8, intermediate_dim=16, num_heads=2,
    ...     num_layers=1)
    >>> model(keras.ops.array([[4, 5, 3, 0], [6, 3, 0, 0]])).shape
    TensorShape([2, 3])

    References:
        - [Devlin et al., 2019](https://arxiv.org/abs/1810.04805), Section 3.2.
    """

    def __init__(
        self,
        vocabulary_size=37_000,
        num_classes=2,
        pooling="mean",
        name=None,
        dtype=None,
        trainable=True,
        **stack,
    ):
        super().__init__(name=name, dtype=dtype, trainable=trainable)
        if pooling not in POOLINGS:
            raise ValueError(
                f"`pooling` must be one of {sorted(POOLINGS)}. Received: pooling={pooling!r}."
                f"{did_you_mean(pooling, POOLINGS)}"
            )
        self.num_classes = check_integer("num_classes", num_classes)
        self.pooling = pooling
        layer = {"dtype": self.dtype_policy}
        self.encoder = Encoder(vocabulary_size, name="encoder", **layer, **stack)
        self.dropout_layer = Dropout(self.encoder.dropout, name="dropout", **layer)
        self.output_dense = keras.layers.Dense(self.num_classes, name="output", **layer)

    @property
    def _stack(self):
        return self.encoder

    def _build_parts(self):
        self.output_dense.build((None, self.encoder.hidden_dim))
        super()._build_parts()

    def call(self, token_ids, training=None):
        sequence = self.encoder(token_ids, training=training)  # (B, S, D)
        pooled = POOLINGS[self.pooling](sequence, padding_mask(token_ids))  # (B, D)
        return self.output_dense(self.dropout_layer(pooled, training=training))  # (B, C)

    def compute_output_shape(self, token_ids_shape):
        return (token_ids_shape[0], self.num_classes)

    def get_config(self):
        return {**super().get_config(), "num_classes": self.num_classes, "pooling": self.pooling}
