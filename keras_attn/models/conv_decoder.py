"""The convolutional decoder (Gehring et al., 2017, Sections 3.2 and 3.3)."""

from dataclasses import dataclass
from typing import Any

import keras

from keras_attn.layers.convolution.conv_decoder_block import ConvDecoderBlock
from keras_attn.layers.dense_rows import dense_rows
from keras_attn.layers.dropout import Dropout
from keras_attn.layers.transformer_block import as_tuple
from keras_attn.models.conv_stack import ConvStack
from keras_attn.models.token_stack import stack_scores
from keras_attn.ops import padding_mask

Tensor = Any


@dataclass(frozen=True)
class ConvStep:
    """What a convolutional decoder remembers between steps: the `step` of `ConvDecoder`.

    Args:
        position: int scalar. Position of the first of the new tokens.
        states: list of the states of the convolutions, (R, k - 1, D), one per block.
        output_kernel: float, (D, V). The matrix of the logits, laid out once for many steps.
            Defaults to None: the layer's own.
    """

    position: Tensor
    states: list[Tensor]
    output_kernel: Tensor | None = None


class ConvDecoder(ConvStack):
    """Maps target ids and the encoded source to logits.

    Training, scoring, cached decoding and the exported graph all use this one `call`: with a
    `step`, `token_ids` are only the new positions.

    Masking: the convolutions are causal, so padding after a target needs no mask.

    Args:
        vocabulary_size, hidden_dim, kernel_size, num_layers, dropout, position, normalization,
            max_sequence_length, embedding, **kwargs: as in `ConvEncoder`.
        tie_output: bool. Use the token embedding as the projection to logits, instead of the
            paper's separate matrix and bias. Defaults to `True`, as in `Transformer`.

    Call arguments:
        token_ids: int, (B, T).
        source: `ConvSource`.
        step: `ConvStep`, for decoding step by step.
        return_attention_scores: bool.
        training: bool. Whether dropout acts.

    Returns:
        Logits, (B, T, V); with `return_attention_scores=True` also the attention weights,
        (B, L, 1, T, S); with a `step` also a list of the new states. A tuple if there are several.

    Example:
    >>> from keras_attn.models.conv_encoder import ConvEncoder
    >>> sizes = {"vocabulary_size": 11, "hidden_dim": 8, "num_layers": 2}
    >>> source = ConvEncoder(**sizes)(keras.ops.array([[4, 5, 6, 3]]))
    >>> ConvDecoder(**sizes)(keras.ops.array([[2, 4, 5]]), source).shape
    TensorShape([1, 3, 11])

    References:
        - [Gehring et al., 2017](https://arxiv.org/abs/1705.03122), Sections 3.1 to 3.4.
    """

    block_class = ConvDecoderBlock

    def __init__(self, *args, tie_output=True, **kwargs):
        super().__init__(*args, **kwargs)
        self.tie_output = tie_output
        options = {"dtype": self.dtype_policy}
        self.final_dropout = Dropout(self.dropout, name="final_dropout", **options)
        self.output_dense = None
        if not tie_output:
            self.output_dense = keras.layers.Dense(self.vocabulary_size, name="output", **options)

    def build(self, token_ids_shape=None, **shapes):
        if self.output_dense is not None:
            self.output_dense.build((None, None, self.hidden_dim))
        super().build(token_ids_shape)

    def empty_states(self, batch_size):
        """The states of the convolutions before the first token: (B, k - 1, D), one per block."""
        return [block.empty_state(batch_size) for block in self.blocks]

    def output_kernel(self, num_rows=None):
        """The matrix of the logits, (D, V), laid out once per search, or None if nothing is gained.

        Args:
            num_rows: int. Number of rows of every step, if known.
        """
        # A single row gains nothing.
        return self.embedding.output_kernel() if self.tie_output and num_rows != 1 else None

    def call(self, token_ids, source, step=None, return_attention_scores=False, training=None):
        start_index = 0 if step is None else step.position
        embedded = self.embed(token_ids, start_index=start_index, training=training)
        hidden, scores, states = embedded, [], []
        for i, block in enumerate(self.blocks):
            results = block(
                hidden,
                embedded,
                source,
                state=None if step is None else step.states[i],
                return_attention_scores=return_attention_scores,
                training=training,
            )
            hidden, *others = as_tuple(results)
            if return_attention_scores:
                scores.append(others[0])
            if step is not None:
                states.append(others[-1])
        hidden = self.final_dropout(self.to_embeddings(hidden), training=training)
        results = [self._logits(hidden, None if step is None else step.output_kernel)]
        if return_attention_scores:
            results.append(stack_scores(scores))
        if step is not None:
            results.append(states)
        return tuple(results) if len(results) > 1 else results[0]

    def _logits(self, hidden, output_kernel):
        if self.output_dense is not None:
            return dense_rows(self.output_dense, hidden)
        return self.embedding(hidden, reverse=True, output_kernel=output_kernel)

    def compute_mask(self, token_ids, previous_mask=None):
        return padding_mask(token_ids)
