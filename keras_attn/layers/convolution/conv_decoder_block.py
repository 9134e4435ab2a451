"""One block of a convolutional decoder (Gehring et al., 2017, Sections 3.2 and 3.3)."""

from typing import Any, NamedTuple

import keras
from keras import ops

from keras_attn.layers.attention.beam_rows import BeamRows
from keras_attn.layers.convolution.conv_block import ConvBlock, halve_variance
from keras_attn.layers.dense_rows import dense_rows
from keras_attn.ops import scaled_dot_product_attention

Tensor = Any


class ConvSource(NamedTuple):
    """What the blocks of a convolutional decoder attend to, the same for all of them.

    Args:
        keys: float, (B, S, D).
        values: float, (B, S, D).
        padding_mask: bool, (B, S). True = real token.
    """

    keys: Tensor
    values: Tensor
    padding_mask: Tensor


class ConvDecoderBlock(ConvBlock):
    """A causal gated convolution and attention to the source, in one residual connection.

        h      = GLU(conv(dropout(norm(x))))
        query  = sqrt(0.5) * (h W_q + b_q + target embedding)                        (Eq. 1)
        c      = softmax(query keys^T / sqrt(D)) values                              (Eq. 1 and 2)
        output = sqrt(0.5) * (x + sqrt(0.5) * (h + c W_o + b_o))

    The scaling of the two inner sums and W_o are those of the authors' code, fairseq. Departures:
    normalization, as in `ConvBlock`; and the products of query and keys are divided by
    `sqrt(D)`, since embeddings here have a variance near 1, not 0.01.

    Training, scoring and decoding step by step all use this one `call`: with a `state`, `inputs`
    are only the new positions.

    Args:
        hidden_dim, kernel_size, dropout, normalization, **kwargs: as in `ConvBlock`.

    Call arguments:
        inputs: float, (B, T, D).
        embedded: float, (B, T, D). The embeddings of the target tokens.
        source: `ConvSource`. With a `state` it may have fewer rows than the inputs: W adjacent
            rows, the hypotheses of a sentence, then share one.
        state: float, (B, k - 1, D). State of the convolution, from `empty_state` or the last call.
        return_attention_scores: bool.
        training: bool. Whether dropout acts.

    Returns:
        float, (B, T, D); with `return_attention_scores=True` also the weights, (B, 1, T, S); with a
        `state` also the new one. A tuple if there are several.

    Example:
    >>> block, x, keys = ConvDecoderBlock(8), keras.ops.ones((3, 5, 8)), keras.ops.ones((3, 7, 8))
    >>> block(x, x, ConvSource(keys, keys, keras.ops.ones((3, 7), "bool"))).shape
    TensorShape([3, 5, 8])

    References:
        - [Gehring et al., 2017](https://arxiv.org/abs/1705.03122), Sections 3.2 to 3.4.
    """

    padding = "causal"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.query_dense = keras.layers.Dense(
            self.hidden_dim, dtype=self.dtype_policy, name="query"
        )
        self.output_dense = keras.layers.Dense(
            self.hidden_dim, dtype=self.dtype_policy, name="attention_output"
        )

    def build(self, inputs_shape, **shapes):
        self.query_dense.build(inputs_shape)
        self.output_dense.build(inputs_shape)
        super().build(inputs_shape)

    def empty_state(self, batch_size):
        """The state of the convolution before the first position: zeros, (B, k - 1, D)."""
        return self.convolution.empty_state(batch_size)

    def call(
        self,
        inputs,
        embedded,
        source,
        state=None,
        return_attention_scores=False,
        training=None,
    ):
        hidden = self.convolution_inputs(inputs, training)
        if state is None:
            hidden, new_state, num_beams = self.convolution(hidden), [], 1
        else:
            hidden, *new_state = self.convolution(hidden, state=state)
            num_beams = _known_beams(hidden, source.keys)
        query = halve_variance(dense_rows(self.query_dense, hidden) + embedded)
        attended, scores = self._attend(query, source, num_beams)
        hidden = halve_variance(hidden + dense_rows(self.output_dense, attended))
        outputs = halve_variance(self.residual(inputs, hidden))
        results = [outputs, *([scores] if return_attention_scores else []), *new_state]
        return tuple(results) if len(results) > 1 else outputs

    def _attend(self, query, source, num_beams):
        """Attended values, (R, T, D), and weights, (R, 1, T, S)."""
        beams = BeamRows(query, num_beams, ops.shape(source.keys)[0])
        attended, scores = scaled_dot_product_attention(
            beams.join(query), source.keys, source.values, source.padding_mask[:, None]
        )
        return beams.split(attended), beams.split_scores(scores[:, None])


def _known_beams(hidden, keys):
    """Hypotheses of a sentence, W, or None where the number of rows is unknown."""
    num_rows, num_sentences = hidden.shape[0], keys.shape[0]
    return num_rows // num_sentences if num_rows and num_sentences else None
