"""The decoder stack (Vaswani et al., 2017, Section 3.1 and Figure 1, right)."""

import keras

from keras_attn.layers import DecoderBlock
from keras_attn.models.causal_decoder import CausalDecoder


@keras.saving.register_keras_serializable(package="keras_attn")
class Decoder(CausalDecoder):
    """Maps target ids and encoder output to logits: embedding, positions, N blocks, projection.

    Training, scoring, cached decoding and the exported graph all use this one `call`: with a
    `step`, `token_ids` are only the new positions.

    Masking: causal, so padding after a target needs no mask; `encoder_padding_mask` for the source.

    Args:
        vocabulary_size, hidden_dim, intermediate_dim, num_heads, num_layers, dropout,
            attention_dropout, projection_gain, activation, normalize_first, attention, position,
            feed_forward, normalization, residual, stochastic_depth, normalization_epsilon,
            max_sequence_length, embedding, **kwargs: as in `Encoder`.
        tie_output: bool. Use the token embedding as the projection to logits (Section 3.4).
            Defaults to `True`.
        use_output_bias: bool. Add a bias to the logits. Defaults to `False`, as in the paper;
            Marian and BART have one.
        output_projection: slot. A layer, (B, T, D) -> (B, T, V), that gives the logits in place of
            the embedding or, with `tie_output=False`, of a `Dense` layer.

    Call arguments:
        token_ids: int, (B, T).
        encoder_sequence: float, (B, S, D). May be None if the `step` holds its projections.
        encoder_padding_mask: bool, (B, S). True = real token.
        step: `DecodingStep`, for decoding step by step: position, and caches of every block.
        return_attention_scores: bool.
        training: bool. Whether dropout acts.

    Returns:
        Logits, (B, T, V); with `return_attention_scores=True` also the weights of self-attention,
        (B, L, H, T, T), and cross-attention, (B, L, H, T, S); with a `step` also a list of the new
        `SelfCache` of each block. A tuple if there are several.

    Example:
    >>> decoder = keras_attn.models.Decoder(
    ...     vocabulary_size=11, hidden_dim=8, intermediate_dim=16, num_heads=2, num_layers=3)
    >>> decoder(keras.ops.array([[2, 4, 5]]), keras.ops.ones((1, 7, 8))).shape
    TensorShape([1, 3, 11])

    References:
        - [Vaswani et al., 2017](https://arxiv.org/abs/1706.03762), Sections 3.1 and 3.4.
    """

    block_class = DecoderBlock

    def project_encoder_sequence(self, encoder_sequence):
        """Projects the encoder's output once per sentence: tensors of a `CrossCache` per block."""
        return [block.project_encoder_sequence(encoder_sequence) for block in self.blocks]

    def call(
        self,
        token_ids,
        encoder_sequence=None,
        encoder_padding_mask=None,
        step=None,
        return_attention_scores=False,
        training=None,
    ):
        return self.decode(
            token_ids,
            (encoder_sequence,),
            step,
            return_attention_scores,
            training,
            encoder_padding_mask=encoder_padding_mask,
        )
