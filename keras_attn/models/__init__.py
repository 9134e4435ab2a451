"""Whole models, the interface that search uses, and presets. Needs only `keras`."""

from keras_attn.models.causal_decoder import CausalDecoder
from keras_attn.models.conv_seq2seq import ConvSeq2Seq
from keras_attn.models.create_model import create_model, list_presets
from keras_attn.models.decoder import Decoder
from keras_attn.models.encoder import Encoder
from keras_attn.models.ensemble import Ensemble
from keras_attn.models.rnn_seq2seq import RNNSeq2Seq
from keras_attn.models.seq2seq_model import Seq2SeqModel
from keras_attn.models.transformer import Transformer
from keras_attn.models.transformer_classifier import TransformerClassifier
from keras_attn.models.transformer_lm import TransformerLM

__all__ = [
    "CausalDecoder",
    "ConvSeq2Seq",
    "Decoder",
    "Encoder",
    "Ensemble",
    "RNNSeq2Seq",
    "Seq2SeqModel",
    "Transformer",
    "TransformerClassifier",
    "TransformerLM",
    "create_model",
    "list_presets",
]
