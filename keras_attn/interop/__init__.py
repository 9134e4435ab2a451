"""Converters to the models of other engines."""

from keras_attn.interop.ctranslate2 import export_ctranslate2
from keras_attn.interop.ctranslate2_spec import ctranslate2_spec

__all__ = ["ctranslate2_spec", "export_ctranslate2"]
