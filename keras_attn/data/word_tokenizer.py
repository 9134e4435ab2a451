"""A tokenizer whose tokens are the words between blanks."""

from typing import Any, ClassVar

import tensorflow as tf

from keras_attn.data.vocabulary_tokenizer import VocabularyTokenizer


class WordTokenizer(VocabularyTokenizer):
    """Takes each word between blanks as a token: the phones of a pronunciation, tags, glosses.

    `detokenize` puts one blank between two tokens. Text in sentences has too many different words
    for this; use `SentencePieceTokenizer` there.

    Args:
        vocabulary: sequence of str. The words.

    Raises:
        ValueError: a word is empty, occurs twice, or contains a blank.

    Example:

    >>> tokenizer = WordTokenizer.train(["a b ɑ̃ d ɔ n e", "a b i"])
    >>> token_ids = tokenizer.tokenize(["b  ɑ̃ d z"])
    >>> tokenizer.pieces(token_ids[0].numpy())
    ['b', 'ɑ̃', 'd', '<unk>']
    >>> tokenizer.detokenize(token_ids[:, :3]).numpy()[0].decode()
    'b ɑ̃ d'
    """

    separator: ClassVar[str] = " "

    @classmethod
    def _split(cls, texts: tf.Tensor, **options: Any) -> tf.RaggedTensor:
        return tf.strings.split(texts)
