"""Converters to the models of other engines."""

from keras_attn.interop.ctranslate2 import export_ctranslate2
from keras_attn.interop.ctranslate2_engine import export_ctranslate2_engine
from keras_attn.interop.ctranslate2_spec import ctranslate2_spec
from keras_attn.interop.litert import LiteRTMismatchError, export_litert

__all__ = [
    "LiteRTMismatchError",
    "ctranslate2_spec",
    "export_ctranslate2",
    "export_ctranslate2_engine",
    "export_litert",
]
