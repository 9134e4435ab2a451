"""A tokenizer whose text is the token ids themselves, so that every engine gets the same ids."""

from collections.abc import Sequence

import tensorflow as tf

from keras_attn.data.tokenizer import Tokenizer


class NumberTokenizer(Tokenizer):
    """`"17 204"` <-> ids 17, 204."""

    def __init__(self, vocabulary_size: int) -> None:
        super().__init__()
        self.vocabulary_size = vocabulary_size

    def pieces(self, token_ids: Sequence[int]) -> list[str]:
        return [str(int(token_id)) for token_id in token_ids]

    def _tokenize_batch(self, texts: tf.Tensor) -> tf.RaggedTensor:
        return tf.strings.to_number(tf.strings.split(texts), tf.int32)

    def _detokenize_batch(self, token_ids: tf.RaggedTensor) -> tf.Tensor:
        return tf.strings.reduce_join(tf.strings.as_string(token_ids), axis=1, separator=" ")

    def _files(self) -> dict[str, bytes]:
        return {"size": str(self.vocabulary_size).encode()}

    @classmethod
    def _from_files(cls, files: dict[str, bytes]) -> "NumberTokenizer":
        return cls(int(files["size"]))
