"""Whole models, the interface that search uses, and presets. `keras` only."""

from keras_attn.models.create_model import create_model, list_presets
from keras_attn.models.decoder import Decoder
from keras_attn.models.encoder import Encoder
from keras_attn.models.seq2seq_model import Seq2SeqModel
from keras_attn.models.transformer import Transformer

__all__ = [
    "Decoder",
    "Encoder",
    "Seq2SeqModel",
    "Transformer",
    "create_model",
    "list_presets",
]
