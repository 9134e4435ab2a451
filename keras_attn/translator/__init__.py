"""Text to text: model, tokenizers and search together."""

from keras_attn.lines.confidence import Confidence
from keras_attn.lines.sentence_splitter import SentenceSplitter, split_sentences
from keras_attn.lines.translation import Translation, TranslationReport
from keras_attn.translator.generate_tokens import generate_tokens
from keras_attn.translator.make_ensemble import make_ensemble
from keras_attn.translator.translator import Translator

__all__ = [
    "Confidence",
    "SentenceSplitter",
    "Translation",
    "TranslationReport",
    "Translator",
    "generate_tokens",
    "make_ensemble",
    "split_sentences",
]
