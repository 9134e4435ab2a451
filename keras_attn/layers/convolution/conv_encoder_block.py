"""One block of a convolutional encoder (Gehring et al., 2017, Section 3.2)."""

from keras_attn.layers.convolution.conv_block import ConvBlock, halve_variance


class ConvEncoderBlock(ConvBlock):
    """A gated convolution in a residual connection, the sum scaled to keep its variance.

        output = sqrt(0.5) * (x + GLU(conv(dropout(norm(x)))))

    Masking: the convolution takes padding as zeros, see `GatedConvolution`.

    Args:
        hidden_dim, kernel_size, dropout, normalization, **kwargs: as in `ConvBlock`.

    Call arguments:
        inputs: float, (B, S, D).
        mask: bool, (B, S). True = real token.
        training: bool. Whether dropout acts.

    Returns:
        float, (B, S, D).

    Example:
    >>> ConvEncoderBlock(hidden_dim=8)(keras.ops.ones((3, 5, 8))).shape
    TensorShape([3, 5, 8])

    References:
        - [Gehring et al., 2017](https://arxiv.org/abs/1705.03122), Sections 3.2 and 3.4.
    """

    padding = "same"

    def call(self, inputs, mask=None, training=None):
        hidden = self.convolution(self.convolution_inputs(inputs, training), mask=mask)
        return halve_variance(self.residual(inputs, hidden))
