"""A tokenizer whose tokens are characters."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Self

import tensorflow as tf
import tensorflow_text

from keras_attn.data.vocabulary_tokenizer import VocabularyTokenizer


class CharacterTokenizer(VocabularyTokenizer):
    """Takes each character of a text as a token: for words, dates, codes, transliteration.

    A character is a Unicode code point, after composition (NFC): "é" is one token however it was
    typed. `symbols` are longer strings that stay whole, such as `"<fr>"`, which tells one model for
    many languages which one it reads. With `decompose`, a letter and its marks are separate tokens,
    and a Korean syllable is the two or three letters that it is written with (NFD); `detokenize`
    composes them again. This helps if there are many such letters and each is rare.

    Args:
        vocabulary: sequence of str. The characters, and the symbols that occur.
        symbols: sequence of str. Strings that are one token wherever they occur in a text. If two
            of them match, the first is taken.
        decompose: bool. Whether to take letters, marks and the parts of syllables as tokens.

    Raises:
        ValueError: an entry of the vocabulary is empty, occurs twice, or is neither a character
            nor a symbol.

    Example:

    >>> tokenizer = CharacterTokenizer.train(["<fr> été", "<de> Tee"], symbols=["<fr>", "<de>"])
    >>> tokenizer.pieces(tokenizer.tokenize(["<fr> tété"])[0].numpy())
    ['<fr>', ' ', 't', 'é', 't', 'é']
    >>> tokenizer.detokenize(tokenizer.tokenize(["<de> Tee"])).numpy().tolist()
    [b'<de> Tee']
    >>> tokenizer = CharacterTokenizer.train(["한국"], decompose=True)
    >>> token_ids = tokenizer.tokenize(["한국"])
    >>> len(token_ids[0]), tokenizer.detokenize(token_ids)[0].numpy().decode()
    (6, '한국')
    """

    separator: ClassVar[str] = ""

    def __init__(
        self, vocabulary: Sequence[str], symbols: Sequence[str] = (), decompose: bool = False
    ) -> None:
        self.symbols = list(symbols)
        self.decompose = decompose
        super().__init__(vocabulary)

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        vocabulary_size: int | None = None,
        symbols: Sequence[str] = (),
        decompose: bool = False,
    ) -> Self:
        """Takes the symbols and the most frequent characters of the texts as the vocabulary.

        Args:
            texts: iterable of str.
            vocabulary_size: int or None. The largest number of tokens, the four special tokens
                included; all characters if None.
            symbols: sequence of str. Strings that stay whole. All of them get a token.
            decompose: bool. Whether to take letters, marks and the parts of syllables as tokens.

        Returns:
            A `CharacterTokenizer`.

        Raises:
            ValueError: the texts are one string or hold no character, or the size leaves no room.
        """
        options: dict[str, Any] = {"symbols": symbols, "decompose": decompose}
        return cls(cls._most_frequent(texts, vocabulary_size, **options), **options)

    @classmethod
    def _split(cls, texts: tf.Tensor, **options: Any) -> tf.RaggedTensor:
        texts = tensorflow_text.normalize_utf8(texts, "NFD" if options["decompose"] else "NFC")
        if not options["symbols"]:
            return tf.strings.unicode_split(texts, "UTF-8")
        whole = "|".join(re.escape(symbol) for symbol in options["symbols"])
        pattern = f"(?s){whole}|."
        return tensorflow_text.regex_split(texts, pattern, pattern)

    def _detokenize_batch(self, token_ids: tf.RaggedTensor) -> tf.Tensor:
        texts = super()._detokenize_batch(token_ids)
        return tensorflow_text.normalize_utf8(texts, "NFC") if self.decompose else texts

    def _options(self) -> dict[str, Any]:
        return {"symbols": self.symbols, "decompose": self.decompose}
