"""A tokenizer whose tokens are characters."""

import re
from collections.abc import Iterable, Sequence
from typing import ClassVar, Self

import tensorflow as tf
import tensorflow_text

from keras_attn.data.vocabulary_tokenizer import VocabularyTokenizer


class CharacterTokenizer(VocabularyTokenizer):
    """Takes each character of a text as a token: for words, dates, codes, transliteration.

    A character is a Unicode code point, after composition (NFC): "é" is one token however it was
    typed. `symbols` are longer strings that stay whole, such as `"<fr>"`, which tells one model for
    many languages what it reads.

    Args:
        vocabulary: sequence of str. The characters, and the symbols that occur.
        symbols: sequence of str. Strings that are one token wherever they occur in a text. Where
            two of them fit, the first is taken.

    Raises:
        ValueError: an entry of the vocabulary is empty, occurs twice, or is no character and no
            symbol.

    Example:

    >>> tokenizer = CharacterTokenizer.train(["<fr> été", "<de> Tee"], symbols=["<fr>", "<de>"])
    >>> tokenizer.pieces(tokenizer.tokenize(["<fr> tété"])[0].numpy())
    ['<fr>', ' ', 't', 'é', 't', 'é']
    >>> tokenizer.detokenize(tokenizer.tokenize(["<de> Tee"])).numpy().tolist()
    [b'<de> Tee']
    """

    separator: ClassVar[str] = ""

    def __init__(self, vocabulary: Sequence[str], symbols: Sequence[str] = ()) -> None:
        self.symbols = list(symbols)
        super().__init__(vocabulary)

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        vocabulary_size: int | None = None,
        symbols: Sequence[str] = (),
    ) -> Self:
        """Takes the symbols and the most frequent characters of the texts as the vocabulary.

        Args:
            texts: iterable of str.
            vocabulary_size: int or None. The largest number of tokens, the four special tokens
                included; all characters if None.
            symbols: sequence of str. Strings that stay whole. All of them get a token.

        Returns:
            A `CharacterTokenizer`.

        Raises:
            ValueError: the texts are one string or hold no character, or the size leaves no room.
        """
        return cls(cls._most_frequent(texts, vocabulary_size, symbols), symbols)

    @classmethod
    def _split(cls, texts: tf.Tensor, symbols: Sequence[str] = ()) -> tf.RaggedTensor:
        texts = tensorflow_text.normalize_utf8(texts, "NFC")
        if not symbols:
            return tf.strings.unicode_split(texts, "UTF-8")
        whole = "|".join(re.escape(symbol) for symbol in symbols)
        pattern = f"(?s){whole}|."
        return tensorflow_text.regex_split(texts, pattern, pattern)

    def _symbols(self) -> Sequence[str]:
        return self.symbols

    def _options(self) -> dict[str, list[str]]:
        return {"symbols": self.symbols}
