"""The convolutional encoder (Gehring et al., 2017, Section 3.2)."""

from keras import ops

from keras_attn.layers.convolution.conv_decoder_block import ConvSource
from keras_attn.layers.convolution.conv_encoder_block import ConvEncoderBlock
from keras_attn.models.conv_stack import ConvStack
from keras_attn.ops import padding_mask


class ConvEncoder(ConvStack):
    """Maps token ids to the keys and values that a convolutional decoder attends to.

        z      = norm(output of the last block) W + b
        keys   = z
        values = sqrt(m) * sqrt(0.5) * (z + embedding)                               (Eq. 2)

    for a source of m tokens. With even weights, the sum of m values of variance 1 has variance
    `1 / m`. The paper scales the sum by `m sqrt(1 / m) = sqrt(m)`; here the values are scaled
    instead, once for all layers and steps. Departure: the gradients of the encoder are not divided
    by the number of attentions, a factor that Adam would cancel.

    Masking: id 0 is padding. It does not change the other positions.

    Args:
        vocabulary_size: int. Number of tokens, V.
        hidden_dim: int. Width of embeddings and of the residual stream, D. Defaults to 512.
        kernel_size: int. Number of positions that a convolution sees. Defaults to 3.
        num_layers: int. Number of blocks, L. Defaults to 20.
        dropout: float in [0, 1). Rate applied to embeddings and to the inputs of convolutions.
        position: slot. Added to the embeddings. Defaults to `"learned"`, as in the paper.
        normalization: slot of the blocks, see `ConvBlock`.
        max_sequence_length: int. Longest sequence of a learned position embedding, in tokens.
        embedding: `TokenEmbedding` to share with another stack. Defaults to a new one.
        **kwargs: `name`, `dtype`, `trainable`, as in `keras.layers.Layer`.

    Call arguments:
        token_ids: int, (B, S).
        training: bool. Whether dropout acts.

    Returns:
        `ConvSource`.

    Example:
    >>> encoder = ConvEncoder(vocabulary_size=11, hidden_dim=8, num_layers=2)
    >>> encoder(keras.ops.array([[4, 5, 3, 0]])).values.shape
    TensorShape([1, 4, 8])

    References:
        - [Gehring et al., 2017](https://arxiv.org/abs/1705.03122), Sections 3.1 to 3.4.
    """

    block_class = ConvEncoderBlock

    def call(self, token_ids, training=None):
        mask = padding_mask(token_ids)
        embedded = self.embed(token_ids, training=training)
        hidden = embedded
        for block in self.blocks:
            hidden = block(hidden, mask=mask, training=training)
        keys = self.to_embeddings(hidden)
        num_tokens = ops.sum(ops.cast(mask, "float32"), axis=1)[:, None, None]  # (B, 1, 1)
        scale = ops.cast(ops.sqrt(0.5 * num_tokens), keys.dtype)
        return ConvSource(keys, (keys + embedded) * scale, mask)
