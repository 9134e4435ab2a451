"""One layer of the decoder (Vaswani et al., 2017, Section 3.1 and Figure 1, right)."""

import keras

from keras_attn.layers.multi_head_attention import MultiHeadAttention
from keras_attn.layers.transformer_block import TransformerBlock, as_tuple


@keras.saving.register_keras_serializable(package="keras_attn")
class DecoderBlock(TransformerBlock):
    """Causal self-attention, attention to the encoder, a feed-forward network; each residual.

        y      = norm(x + dropout(attention(x, x, x, causal)))
        z      = norm(y + dropout(attention(y, encoder, encoder)))
        output = norm(z + dropout(FFN(z)))                      (normalize_first=False, the paper)

    Training, scoring and decoding step by step are this one `call`: with a `cache` the queries are
    the new positions only.

    Masking: `padding_mask` and `encoder_padding_mask` if given, else the Keras masks of the inputs.

    Args:
        hidden_dim, intermediate_dim, num_heads, dropout, attention_dropout, activation,
            normalize_first, position, feed_forward, normalization, max_sequence_length,
            **kwargs: as in `EncoderBlock`.
        attention: slot of both attentions; a layer fills the first, a copy without its weights the
            second (and without a sliding window). Defaults to `"multi_head"`.

    Call arguments:
        inputs: float, (B, T, D).
        encoder_sequence: float, (B, S, D). May be None with a `cross_cache`.
        padding_mask: bool, (B, T). encoder_padding_mask: bool, (B, S). True = real token.
        attention_mask: bool, broadcastable to (B, T, T), beside the causal one.
        cache: self-attention's, from `empty_cache`. The positions of this call are written into it.
        cache_update_index: int scalar. Position of the first row of `inputs`.
        beam_mask: bool, (B, W, S, W), for a `cache` that W hypotheses share, from
            `keras_attn.ops.beam_mask`.
        cross_cache: keys and values of the encoder's output, from `project_encoder_sequence`. It
            may have fewer rows than `inputs`: W adjacent rows then share one (the beams).
        num_beams: int. Rows that share a row of the encoder's, W, where it is known.
        fused_projections: what `fuse_projections` returned; with both caches.
        return_attention_scores: bool.
        training: bool. Whether dropout acts.

    Returns:
        float, (B, T, D); with `return_attention_scores=True` then also the weights of
        self-attention, (B, H, T, T), and of cross-attention, (B, H, T, S); with `cache` then also
        the new cache. A tuple if more than one.

    Raises:
        ValueError: if a size is wrong, a slot cannot be filled, or nothing comes from the encoder.

    Example:
    >>> block = keras_attn.layers.DecoderBlock(hidden_dim=8, intermediate_dim=16, num_heads=2)
    >>> block(keras.ops.ones((3, 5, 8)), keras.ops.ones((3, 7, 8))).shape
    TensorShape([3, 5, 8])

    References:
        - [Vaswani et al., 2017](https://arxiv.org/abs/1706.03762), Section 3.1.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.cross_attention = self._fill(
            "attention", self.self_attention, "cross_attention", clone=True
        )
        # Positions of two different sequences have no distance that a window could measure.
        if getattr(self.cross_attention, "sliding_window", None) is not None:
            self.cross_attention.sliding_window = None
        self.cross_attention_residual = self._residual("cross_attention")
        self.input_spec = keras.InputSpec(ndim=3)

    def build(self, inputs_shape, encoder_sequence_shape=None, **shapes):
        encoder_shape = encoder_sequence_shape or (None, None, self.hidden_dim)
        _check_encoder_shape(encoder_shape)
        self.cross_attention.build(inputs_shape, encoder_shape)
        self.cross_attention_residual.build(inputs_shape)
        super().build(inputs_shape)

    def project_encoder_sequence(self, encoder_sequence):
        """Projects the encoder's output, (B, S, D), once per sentence: a `cross_cache`."""
        return self.cross_attention.project_key_value(encoder_sequence)

    def fuse_projections(self):
        """Lays out the attentions' projections once for many steps: `fused_projections`."""
        attentions = {"self_attention": True, "cross_attention": False}  # have own keys and values
        return {
            name: getattr(self, name).fuse_projections(has_own_key_value)
            for name, has_own_key_value in attentions.items()
            if isinstance(getattr(self, name), MultiHeadAttention)
        }

    @property
    def can_share_cache(self):
        """bool. Whether W hypotheses may share a `cache`, told apart by a `beam_mask`."""
        return getattr(self.self_attention, "can_share_cache", False)

    def empty_cache(self, batch_size, max_length, num_beams=None):
        """A `cache` of zeros for `batch_size` rows of `max_length` positions of `num_beams`."""
        beams = _given(num_beams=num_beams)
        return self.self_attention.empty_cache(batch_size, max_length, **beams)

    def call(
        self,
        inputs,
        encoder_sequence=None,
        padding_mask=None,
        encoder_padding_mask=None,
        attention_mask=None,
        cache=None,
        cache_update_index=None,
        beam_mask=None,
        cross_cache=None,
        num_beams=None,
        fused_projections=None,
        return_attention_scores=False,
        training=None,
    ):
        if encoder_sequence is None and cross_cache is None:
            raise ValueError(
                "`encoder_sequence` may only be left out with a `cross_cache`. Received: neither."
            )
        if encoder_sequence is not None:
            _check_encoder_shape(encoder_sequence.shape)
        fused = fused_projections or {}
        hidden = inputs
        if self.position is not None:
            start_index = 0 if cache_update_index is None else cache_update_index
            hidden = self.position(inputs, start_index=start_index)
        query = self.self_attention_residual(hidden)
        outputs, *self_results = as_tuple(
            self.self_attention(
                query,
                query,
                value_mask=padding_mask,
                attention_mask=attention_mask,
                use_causal_mask=True,
                return_attention_scores=return_attention_scores,
                training=training,
                **_given(
                    cache=cache,
                    cache_update_index=cache_update_index,
                    beam_mask=beam_mask,
                    fused_projections=fused.get("self_attention") or None,
                ),
            )
        )
        hidden = self.self_attention_residual(hidden, outputs, training=training)
        outputs, *cross_results = as_tuple(
            self.cross_attention(
                self.cross_attention_residual(hidden),
                encoder_sequence,
                value_mask=encoder_padding_mask,
                return_attention_scores=return_attention_scores,
                training=training,
                **_given(
                    cache=cross_cache,
                    num_beams=num_beams,
                    fused_projections=fused.get("cross_attention") or None,
                ),
            )
        )
        hidden = self.cross_attention_residual(hidden, outputs, training=training)
        hidden = self.feed(hidden, training=training)
        results = [hidden]
        if return_attention_scores:
            results += [self_results[0], cross_results[0]]
        if cache is not None:
            results.append(self_results[-1])
        return tuple(results) if len(results) > 1 else hidden


def _check_encoder_shape(shape):
    if len(shape) != 3:
        raise ValueError(
            "`encoder_sequence` must be of shape (batch, length, channels). "
            f"Received: shape={tuple(shape)}."
        )


def _given(**arguments):
    """The arguments that are there: an attention of one's own need not know the others."""
    return {name: value for name, value in arguments.items() if value is not None}
