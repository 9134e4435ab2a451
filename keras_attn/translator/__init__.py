"""Text to text: model, tokenizers and search together."""

from keras_attn.lines.translation import Translation, TranslationReport
from keras_attn.translator.translator import Translator

__all__ = ["Translation", "TranslationReport", "Translator"]
