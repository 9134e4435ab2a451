"""What convolutional encoders and decoders have in common (Gehring et al., 2017, Section 3)."""

import keras

from keras_attn.layers.convolution.conv_block import ConvBlock
from keras_attn.layers.dense_rows import dense_rows
from keras_attn.layers.position.attention_position import AttentionPosition
from keras_attn.layers.slots import fill_slot
from keras_attn.models.token_stack import TokenStack
from keras_attn.system.argument_checks import check_integer


class ConvStack(TokenStack):
    """A `TokenStack` of `num_layers` convolutions and a dense layer back to the embeddings."""

    block_class: type[ConvBlock]

    def __init__(
        self,
        vocabulary_size,
        hidden_dim=512,
        kernel_size=3,
        num_layers=20,
        dropout=0.1,
        position="learned",
        normalization="layer_norm",
        max_sequence_length=1024,
        embedding=None,
        **kwargs,
    ):
        super().__init__(vocabulary_size, hidden_dim, dropout, embedding, **kwargs)
        options = {"dtype": self.dtype_policy}
        sizes = {"max_sequence_length": max_sequence_length, **options}
        self.position = fill_slot("position", position, name="position", clone=True, **sizes)
        if isinstance(self.position, AttentionPosition):
            raise ValueError(
                "`position` of a convolutional model must be one that is added to the embeddings: "
                "it has no self-attention. Received: "
                f"{type(self.position).__name__}. Use 'learned' or 'sinusoidal'."
            )
        self.blocks = [
            self.block_class(
                hidden_dim,
                kernel_size,
                dropout=dropout,
                normalization=normalization,
                name=f"block_{i}",
                **options,
            )
            for i in range(check_integer("num_layers", num_layers))
        ]
        sizes = {"epsilon": 1e-6, **options}
        self.final_normalization = fill_slot(
            "normalization", normalization, name="final_normalization", clone=True, **sizes
        )
        self.final_dense = keras.layers.Dense(hidden_dim, name="final", **options)

    def build(self, token_ids_shape=None, **shapes):
        self.final_dense.build((None, None, self.hidden_dim))
        super().build(token_ids_shape)

    def to_embeddings(self, hidden):
        """Normalizes the last block's output, and maps it to the space of the embeddings."""
        if self.final_normalization is not None:
            hidden = self.final_normalization(hidden)
        return dense_rows(self.final_dense, hidden)
