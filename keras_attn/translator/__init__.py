"""Text to text: the only place where model, text and search meet."""

from keras_attn.lines.translation import Translation, TranslationReport
from keras_attn.translator.translator import Translator

__all__ = ["Translation", "TranslationReport", "Translator"]
