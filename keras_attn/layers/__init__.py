"""Keras layers of the Transformer, each usable alone and open to subclasses. Needs only `keras`."""

from keras_attn.layers.attention.attention_cache import CrossCache, SelfCache
from keras_attn.layers.attention.bahdanau_attention import BahdanauAttention
from keras_attn.layers.attention.linear_attention import LinearAttention
from keras_attn.layers.attention.linformer_attention import LinformerAttention
from keras_attn.layers.attention.local_attention import LocalAttention
from keras_attn.layers.attention.luong_attention import LuongAttention
from keras_attn.layers.attention.multi_head_attention import MultiHeadAttention
from keras_attn.layers.attention.performer_attention import PerformerAttention
from keras_attn.layers.attention.qk_normalized_attention import QKNormalizedAttention
from keras_attn.layers.attention.sink_attention import SinkAttention
from keras_attn.layers.attention.soft_capped_attention import SoftCappedAttention
from keras_attn.layers.attention.sparse_attention import SparseAttention
from keras_attn.layers.attention.talking_heads_attention import TalkingHeadsAttention
from keras_attn.layers.causal_block import CausalBlock
from keras_attn.layers.convolution.gated_convolution import GatedConvolution
from keras_attn.layers.decoder_block import DecoderBlock
from keras_attn.layers.encoder_block import EncoderBlock
from keras_attn.layers.feed_forward import FeedForward
from keras_attn.layers.gated_feed_forward import GatedFeedForward
from keras_attn.layers.position.alibi_bias import ALiBiBias
from keras_attn.layers.position.attention_position import AttentionPosition
from keras_attn.layers.position.learned_position_embedding import LearnedPositionEmbedding
from keras_attn.layers.position.relative_position_bias import RelativePositionBias
from keras_attn.layers.position.relative_position_embedding import RelativePositionEmbedding
from keras_attn.layers.position.rotary_embedding import RotaryEmbedding
from keras_attn.layers.position.sinusoidal_position_encoding import SinusoidalPositionEncoding
from keras_attn.layers.recurrent.gated_recurrent_unit import GatedRecurrentUnit
from keras_attn.layers.recurrent.long_short_term_memory import LongShortTermMemory
from keras_attn.layers.residual import Residual
from keras_attn.layers.sandwich_residual import SandwichResidual
from keras_attn.layers.token_embedding import TokenEmbedding

__all__ = [
    "TalkingHeadsAttention",
    "QKNormalizedAttention",
    "SoftCappedAttention",
    "SinkAttention",
    "LinformerAttention",
    "LinearAttention",
    "PerformerAttention",
    "GatedFeedForward",
    "SandwichResidual",
    "ALiBiBias",
    "AttentionPosition",
    "BahdanauAttention",
    "CausalBlock",
    "CrossCache",
    "DecoderBlock",
    "EncoderBlock",
    "FeedForward",
    "GatedConvolution",
    "GatedRecurrentUnit",
    "LearnedPositionEmbedding",
    "LongShortTermMemory",
    "LuongAttention",
    "LocalAttention",
    "MultiHeadAttention",
    "RelativePositionBias",
    "RelativePositionEmbedding",
    "Residual",
    "RotaryEmbedding",
    "SelfCache",
    "SinusoidalPositionEncoding",
    "SparseAttention",
    "TokenEmbedding",
]
