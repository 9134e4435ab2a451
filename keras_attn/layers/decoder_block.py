"""One layer of the decoder (Vaswani et al., 2017, Section 3.1 and Figure 1, right)."""

import keras
from keras import ops

from keras_attn.layers.attention.attention_cache import BlockStep
from keras_attn.layers.attention.beam_rows import BeamRows
from keras_attn.layers.causal_block import CausalBlock, fused, join_results
from keras_attn.layers.transformer_block import as_tuple, build_attention, given


@keras.saving.register_keras_serializable(package="keras_attn")
class DecoderBlock(CausalBlock):
    """Causal self-attention, attention to the encoder, a feed-forward network; each residual.

        y      = norm(x + dropout(attention(x, x, x, causal)))
        z      = norm(y + dropout(attention(y, encoder, encoder)))
        output = norm(z + dropout(FFN(z)))                      (normalize_first=False, the paper)

    Training, scoring and decoding step by step all use this one `call`: with a `step`, `inputs` are
    only the new positions.

    An attention layer of your own takes part in decoding if its `call` takes a `cache` and returns
    the new one after its outputs, and if it has `empty_cache(batch_size, max_length)`, which makes
    a `SelfCache`, and `project_key_value(value)`, which makes the tensors of a `CrossCache`.

    Masking: `padding_mask` and `encoder_padding_mask` if given, else the Keras masks of the inputs.

    Args:
        hidden_dim, intermediate_dim, num_heads, dropout, attention_dropout, projection_gain,
            activation, normalize_first, position, feed_forward, normalization, residual,
            stochastic_depth, normalization_epsilon, max_sequence_length, **kwargs: as in
            `EncoderBlock`.
        attention: slot of both attentions. It fills the first. The second is what `cross_attention`
            of the first returns, or a copy without its weights if it has no such method. Defaults
            to `"multi_head"`.

    Call arguments:
        inputs: float, (B, T, D).
        encoder_sequence: float, (B, S, D). May be None with a `step.cross_cache`.
        padding_mask: bool, (B, T). encoder_padding_mask: bool, (B, S). True = real token.
        attention_mask: bool, broadcastable to (B, T, T), in addition to the causal one.
        step: `BlockStep`, for decoding step by step: a self-attention cache, into which the
            positions of this call are written, and the keys and values of the encoder's output.
        return_attention_scores: bool.
        training: bool. Whether dropout acts.

    Returns:
        float, (B, T, D); with `return_attention_scores=True` also the weights of self-attention,
        (B, H, T, T), and of cross-attention, (B, H, T, S); with a `step.self_cache` also the new
        `SelfCache`. A tuple if there are several.

    Raises:
        ValueError: if a size is wrong, a slot cannot be filled, or the encoder's output is missing.

    Example:
    >>> block = keras_attn.layers.DecoderBlock(hidden_dim=8, intermediate_dim=16, num_heads=2)
    >>> block(keras.ops.ones((3, 5, 8)), keras.ops.ones((3, 7, 8))).shape
    TensorShape([3, 5, 8])

    References:
        - [Vaswani et al., 2017](https://arxiv.org/abs/1706.03762), Section 3.1.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.cross_attention = self._make_cross_attention()
        self.cross_attention_residual = self._residual("cross_attention")

    def _make_cross_attention(self):
        """Attention to the encoder: what `self_attention.cross_attention` returns, or a copy."""
        if hasattr(self.self_attention, "cross_attention"):
            return self.self_attention.cross_attention(name="cross_attention")
        return self._fill("attention", self.self_attention, "cross_attention", clone=True)

    def build(self, inputs_shape, encoder_sequence_shape=None, **shapes):
        encoder_shape = encoder_sequence_shape or (None, None, self.hidden_dim)
        _check_encoder_shape(encoder_shape)
        build_attention(self.cross_attention, inputs_shape, encoder_shape)
        self.cross_attention_residual.build(inputs_shape)
        super().build(inputs_shape)

    def project_encoder_sequence(self, encoder_sequence):
        """Projects the encoder's output, (B, S, D), once: the tensors of a `CrossCache`."""
        return self.cross_attention.project_key_value(encoder_sequence)

    def fuse_projections(self):
        """Lays out the projections of both attentions once for many steps: `FusedKernels` each."""
        return [*super().fuse_projections(), fused(self.cross_attention, has_own_key_value=False)]

    def call(
        self,
        inputs,
        encoder_sequence=None,
        padding_mask=None,
        encoder_padding_mask=None,
        attention_mask=None,
        step=None,
        return_attention_scores=False,
        training=None,
    ):
        step = BlockStep() if step is None else step
        _check_encoder_sequence(encoder_sequence, step)
        options = (return_attention_scores, training)
        hidden, self_scores, new_cache = self.attend_to_past(
            inputs, step, padding_mask, attention_mask, *options
        )
        hidden, cross_scores = self._attend_to_sources(
            hidden, encoder_sequence, step, encoder_padding_mask, *options
        )
        scores = [self_scores, cross_scores] if return_attention_scores else []
        return join_results(self.feed(hidden, training=training), scores, new_cache)

    def _attend_to_sources(
        self, hidden, encoder_sequence, step, value_mask, return_attention_scores, training
    ):
        """Attention to the encoder's output in its residual connection: (B, T, D), and weights."""
        cache = step.cross_cache
        query = self.cross_attention_residual(hidden)
        beams = BeamRows(query, *_beams_of(query, step))
        outputs, *others = as_tuple(
            self.cross_attention(
                beams.join(query),
                encoder_sequence,
                value_mask=value_mask,
                return_attention_scores=return_attention_scores,
                **given(cache=cache, training=training),
            )
        )
        scores = beams.split_scores(others[0]) if return_attention_scores else None
        outputs = beams.split(outputs)
        options = given(training=training)
        return self.cross_attention_residual(hidden, outputs, **options), scores


def _beams_of(query, step):
    """Number of hypotheses of a sentence, if known, and number of sentences."""
    if step.cross_cache is None:
        return 1, None
    shared = keras.tree.flatten(step.cross_cache.tensors)[0]
    num_beams = step.num_beams
    if num_beams is None and shared.shape[0] is not None and shared.shape[0] == query.shape[0]:
        num_beams = 1
    return num_beams, ops.shape(shared)[0]


def _check_encoder_sequence(encoder_sequence, step):
    if encoder_sequence is not None:
        _check_encoder_shape(encoder_sequence.shape)
    elif step.cross_cache is None:
        raise ValueError(
            "`encoder_sequence` may only be left out with a `step.cross_cache`. Received: neither."
        )


def _check_encoder_shape(shape):
    if len(shape) != 3:
        raise ValueError(
            "`encoder_sequence` must be of shape (batch, length, channels). "
            f"Received: shape={tuple(shape)}."
        )
