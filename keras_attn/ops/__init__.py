"""Pure functions of tensors: attention (Eq. 1), masks and positions. They own no weights and need `keras` only."""

from keras_attn.ops.attention import attention_logits
from keras_attn.ops.attention import masked_softmax
from keras_attn.ops.attention import scaled_dot_product_attention
from keras_attn.ops.cache import write_cache
from keras_attn.ops.masks import causal_mask
from keras_attn.ops.masks import combine_masks
from keras_attn.ops.masks import padding_mask
from keras_attn.ops.masks import sliding_window_mask
from keras_attn.ops.positions import sinusoidal_encoding

__all__ = [
    "attention_logits",
    "causal_mask",
    "combine_masks",
    "masked_softmax",
    "padding_mask",
    "scaled_dot_product_attention",
    "sinusoidal_encoding",
    "sliding_window_mask",
    "write_cache",
]
