"""Translation without TensorFlow and Keras: engines for exported models."""

from keras_attn.edge.ctranslate2_translator import CTranslate2Translator
from keras_attn.edge.edge_translator import EdgeTranslator

__all__ = ["CTranslate2Translator", "EdgeTranslator"]
