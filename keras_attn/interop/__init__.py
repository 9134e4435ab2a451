"""Converters to the models of other engines."""

from keras_attn.interop.ctranslate2 import ctranslate2_spec, export_ctranslate2

__all__ = ["ctranslate2_spec", "export_ctranslate2"]
