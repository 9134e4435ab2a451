"""One layer of a decoder without an encoder: causal self-attention and a feed-forward network."""

import keras

from keras_attn.layers.attention.attention_cache import BlockStep
from keras_attn.layers.attention.beam_rows import BeamRows
from keras_attn.layers.attention.multi_head_attention import MultiHeadAttention
from keras_attn.layers.transformer_block import TransformerBlock, as_tuple, given


@keras.saving.register_keras_serializable(package="keras_attn")
class CausalBlock(TransformerBlock):
    """Causal self-attention, then a feed-forward network, each in a residual connection.

        y      = norm(x + dropout(attention(x, x, x, causal)))
        output = norm(y + dropout(FFN(y)))                      (normalize_first=False)

    Training, scoring and decoding step by step all use this one `call`: with a `step`, `inputs` are
    only the new positions.

    An attention layer of your own takes part in decoding if its `call` takes a `cache` and returns
    the new one after its outputs, and if it has `empty_cache(batch_size, max_length)`, which makes
    a `SelfCache`. To read a prompt, it must take several positions at a time.

    Masking: `padding_mask` if given, else the Keras mask of the inputs.

    Args:
        hidden_dim, intermediate_dim, num_heads, dropout, attention_dropout, projection_gain,
            activation, normalize_first, attention, position, feed_forward, normalization, residual,
            stochastic_depth, normalization_epsilon, max_sequence_length, **kwargs: as in
            `EncoderBlock`.

    Call arguments:
        inputs: float, (B, T, D).
        padding_mask: bool, (B, T). True = real token.
        attention_mask: bool, broadcastable to (B, T, T), in addition to the causal one.
        step: `BlockStep`, for decoding step by step: a self-attention cache, into which the
            positions of this call are written.
        return_attention_scores: bool.
        training: bool. Whether dropout acts.

    Returns:
        float, (B, T, D); with `return_attention_scores=True` also the weights, (B, H, T, T); with a
        `step.self_cache` also the new `SelfCache`. A tuple if there are several.

    Raises:
        ValueError: if a size is wrong, or a slot cannot be filled.

    Example:
    >>> block = keras_attn.layers.CausalBlock(hidden_dim=8, intermediate_dim=16, num_heads=2)
    >>> block(keras.ops.ones((3, 5, 8))).shape
    TensorShape([3, 5, 8])

    References:
        - [Liu et al., 2018](https://arxiv.org/abs/1801.10198), Section 4.2.3: decoder only.
    """

    is_causal = True

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if not getattr(self.self_attention, "supports_causal_mask", True):
            raise ValueError(
                "The `attention` of a decoder must be one that can be causal. Received: "
                f"{type(self.self_attention).__name__}. If it is meant for the encoder of a "
                "Transformer, set `decoder_attention`, for example to 'multi_head'."
            )
        self.input_spec = keras.InputSpec(ndim=3)

    def fuse_projections(self):
        """Lays out the projections once for many steps: a list of `FusedKernels`, or `()`."""
        return [fused(self.self_attention, has_own_key_value=True)]

    @property
    def can_share_cache(self):
        """bool. Whether W hypotheses may share a cache, told apart by a `beam_mask`."""
        return getattr(self.self_attention, "can_share_cache", False)

    def empty_cache(self, batch_size, max_length, num_beams=None):
        """A `SelfCache`: `batch_size` rows of `max_length` positions of `num_beams`."""
        beams = given(num_beams=num_beams)
        return self.self_attention.empty_cache(batch_size, max_length, **beams)

    def call(
        self,
        inputs,
        *,
        padding_mask=None,
        attention_mask=None,
        step=None,
        return_attention_scores=False,
        training=None,
    ):
        hidden, scores, new_cache = self.attend_to_past(
            inputs,
            BlockStep() if step is None else step,
            padding_mask,
            attention_mask,
            return_attention_scores,
            training,
        )
        outputs = self.feed(hidden, training=training)
        return join_results(outputs, [scores] if return_attention_scores else [], new_cache)

    def attend_to_past(
        self, inputs, step, padding_mask, attention_mask, return_attention_scores, training
    ):
        """Adds positions, then applies self-attention in its residual connection.

        Returns:
            float, (B, T, D), the weights or None, and the new `SelfCache` or None.
        """
        hidden = inputs
        if self.position is not None:
            start_index = 0 if step.self_cache is None else step.self_cache.position
            hidden = self.position(inputs, start_index=start_index)
        outputs, scores, new_cache = self._attend_causally(
            self.self_attention_residual(hidden),
            step.self_cache,
            return_attention_scores,
            training,
            value_mask=padding_mask,
            attention_mask=attention_mask,
        )
        hidden = self.self_attention_residual(hidden, outputs, **given(training=training))
        return hidden, scores, new_cache

    def _attend_causally(self, query, cache, return_attention_scores, training, **options):
        """Causal self-attention: outputs, weights or None, and the new cache or None."""
        is_shared = getattr(cache, "is_shared", False)
        beams = BeamRows(query, cache.beam_mask.shape[3] if is_shared else 1)
        query = beams.join(query)
        outputs, *others = as_tuple(
            self.self_attention(
                query,
                query,
                use_causal_mask=True,
                return_attention_scores=return_attention_scores,
                **given(cache=cache, training=training),
                **options,
            )
        )
        scores = beams.split_scores(others[0]) if return_attention_scores else None
        return beams.split(outputs), scores, None if cache is None else others[-1]


def fused(attention, has_own_key_value):
    """The `FusedKernels` of an attention layer; `()` if it is not one of ours."""
    if not isinstance(attention, MultiHeadAttention):
        return ()
    return attention.fuse_projections(has_own_key_value)


def join_results(outputs, scores, new_cache):
    """What a block returns: outputs, weights, the new cache if there is one; a tuple if several."""
    results = [outputs, *scores, *([] if new_cache is None else [new_cache])]
    return tuple(results) if len(results) > 1 else outputs
