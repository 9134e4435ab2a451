"""The base of tokenizers whose tokens are the entries of a list: characters or words."""

import abc
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Self

import tensorflow as tf

from keras_attn.data.tokenizer import Tokenizer, check_training_texts
from keras_attn.lines.special_tokens import SPECIAL_PIECES

_VOCABULARY_NAME = "vocabulary.json"
_REPLACEMENT = "\ufffd"


class VocabularyTokenizer(Tokenizer):
    """Splits a text into pieces, each of which is a token if it is in the vocabulary.

    A piece that is not in it becomes the unknown token, and the unknown token becomes U+FFFD. A
    subclass says how a text is split (`_split`) and what separates the pieces (`separator`).

    Args:
        vocabulary: sequence of str. The pieces; the first one gets id 4.

    Raises:
        ValueError: a piece is empty or occurs twice, or `_split` would split it.
    """

    separator: ClassVar[str]

    def __init__(self, vocabulary: Sequence[str]) -> None:
        super().__init__(name="vocabulary_tokenizer")
        self.vocabulary = _checked_vocabulary(vocabulary)
        self._pieces = (*SPECIAL_PIECES, *self.vocabulary)
        self.vocabulary_size = len(self._pieces)
        first_id = len(SPECIAL_PIECES)
        self._ids = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(
                tf.constant(self.vocabulary, tf.string),
                tf.range(first_id, self.vocabulary_size, dtype=tf.int32),
            ),
            default_value=self.unknown_token_id,
        )
        self._check_is_whole()

    @classmethod
    def train(cls, texts: Iterable[str], vocabulary_size: int | None = None) -> Self:
        """Takes the most frequent pieces of the texts as the vocabulary.

        Args:
            texts: iterable of str.
            vocabulary_size: int or None. The largest number of tokens, the four special tokens
                included; all pieces if None. Among equally frequent pieces, the first in
                Unicode order are taken.

        Returns:
            A tokenizer.

        Raises:
            ValueError: the texts are one string or hold no piece, or the size leaves no room.
        """
        return cls(cls._most_frequent(texts, vocabulary_size))

    @classmethod
    def _most_frequent(
        cls, texts: Iterable[str], vocabulary_size: int | None, **options: Any
    ) -> list[str]:
        """The symbols, then the other pieces of the texts, the most frequent ones first."""
        check_training_texts(texts)
        symbols = options.get("symbols", ())
        num_fixed = len(SPECIAL_PIECES) + len(symbols)
        if vocabulary_size is not None and vocabulary_size <= num_fixed:
            raise ValueError(
                f"`vocabulary_size` must be above {num_fixed}, the number of special tokens and "
                f"symbols. Received: {vocabulary_size}."
            )
        texts = list(texts)
        pieces = cls._split(tf.constant(texts, tf.string, shape=[len(texts)]), **options)
        counts = Counter(piece.decode() for piece in pieces.flat_values.numpy())
        if not counts:
            raise ValueError(
                "`texts` must hold some text to learn from. Received: only empty or blank texts."
            )
        others = sorted(counts.keys() - set(symbols), key=lambda piece: (-counts[piece], piece))
        return [*symbols, *others][: vocabulary_size and vocabulary_size - len(SPECIAL_PIECES)]

    def pieces(self, token_ids: Sequence[int]) -> list[str]:
        """The pieces themselves, and `<pad>`, `<unk>`, `<s>`, `</s>` for the special tokens.

        Args:
            token_ids: sequence of int. The ids of one segment.

        Returns:
            A list of str, as long as `token_ids`.
        """
        known = range(self.vocabulary_size)
        return [
            self._pieces[int(token_id) if int(token_id) in known else self.unknown_token_id]
            for token_id in token_ids
        ]

    @classmethod
    @abc.abstractmethod
    def _split(cls, texts: tf.Tensor, **options: Any) -> tf.RaggedTensor:
        """The pieces (B, None) of texts (B,); `options` are those of the constructor."""

    def _tokenize_batch(self, texts: tf.Tensor) -> tf.RaggedTensor:
        pieces = self._split(texts, **self._options())
        return pieces.with_flat_values(self._ids.lookup(pieces.flat_values))

    def _detokenize_batch(self, token_ids: tf.RaggedTensor) -> tf.Tensor:
        written = [_REPLACEMENT] * len(SPECIAL_PIECES) + list(self.vocabulary)
        pieces = token_ids.with_flat_values(tf.gather(written, token_ids.flat_values))
        return tf.strings.reduce_join(pieces, axis=-1, separator=self.separator)

    def _check_is_whole(self) -> None:
        split = self._split(tf.constant(self.vocabulary, tf.string), **self._options())
        for piece, parts in zip(self.vocabulary, split.to_list(), strict=True):
            if parts != [piece.encode()]:
                raise ValueError(
                    f"`vocabulary` must hold pieces that {type(self).__name__} does not split. "
                    f"Received: {piece!r}."
                )

    def _files(self) -> dict[str, bytes]:
        config = {"vocabulary": self.vocabulary, **self._options()}
        return {_VOCABULARY_NAME: (json.dumps(config, ensure_ascii=False) + "\n").encode()}

    def _options(self) -> dict[str, Any]:
        """The other arguments of the constructor."""
        return {}

    @classmethod
    def _from_files(cls, files: dict[str, bytes]) -> Self:
        if _VOCABULARY_NAME not in files:
            raise ValueError(
                f"`directory` must hold a tokenizer.json that lists the file {_VOCABULARY_NAME}. "
                f"Received: {', '.join(files) or 'no files'}. Save the tokenizer again."
            )
        return cls(**json.loads(files[_VOCABULARY_NAME]))


def _checked_vocabulary(vocabulary: Sequence[str]) -> list[str]:
    vocabulary = list(vocabulary)
    if not vocabulary:
        raise ValueError("`vocabulary` must hold at least one piece. Received: none.")
    wrong: list[str] = [piece for piece in vocabulary if not isinstance(piece, str) or not piece]
    wrong += [piece for piece, count in Counter(vocabulary).items() if count > 1]
    if wrong:
        raise ValueError(f"`vocabulary` must hold distinct, non-empty str. Received: {wrong[0]!r}.")
    return vocabulary
