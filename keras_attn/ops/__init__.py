"""Pure functions of tensors: attention (Eq. 1), masks and positions. Needs only `keras`."""

from keras_attn.ops.attention import attention_logits, masked_softmax, scaled_dot_product_attention
from keras_attn.ops.cache import write_cache
from keras_attn.ops.masks import (
    beam_mask,
    causal_mask,
    combine_masks,
    padding_mask,
    sliding_window_mask,
)
from keras_attn.ops.positions import sinusoidal_encoding

__all__ = [
    "attention_logits",
    "beam_mask",
    "causal_mask",
    "combine_masks",
    "masked_softmax",
    "padding_mask",
    "scaled_dot_product_attention",
    "sinusoidal_encoding",
    "sliding_window_mask",
    "write_cache",
]
