"""Keras layers of the Transformer, each usable on its own and open to subclasses. `keras` only."""

from keras_attn.layers.attention_cache import CrossCache, SelfCache
from keras_attn.layers.decoder_block import DecoderBlock
from keras_attn.layers.encoder_block import EncoderBlock
from keras_attn.layers.feed_forward import FeedForward
from keras_attn.layers.learned_position_embedding import LearnedPositionEmbedding
from keras_attn.layers.multi_head_attention import MultiHeadAttention
from keras_attn.layers.residual import Residual
from keras_attn.layers.sinusoidal_position_encoding import SinusoidalPositionEncoding
from keras_attn.layers.token_embedding import TokenEmbedding

__all__ = [
    "CrossCache",
    "DecoderBlock",
    "EncoderBlock",
    "FeedForward",
    "LearnedPositionEmbedding",
    "MultiHeadAttention",
    "Residual",
    "SelfCache",
    "SinusoidalPositionEncoding",
    "TokenEmbedding",
]
