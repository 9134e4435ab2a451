"""A tokenizer without a vocabulary to train: every byte of the text is a token."""

from collections.abc import Sequence

import tensorflow as tf

from keras_attn.data.tokenizer import Tokenizer
from keras_attn.lines.special_tokens import SPECIAL_PIECES

_NUM_SPECIAL = len(SPECIAL_PIECES)
_REPLACEMENT = "\ufffd".encode()


class ByteTokenizer(Tokenizer):
    """Takes each byte b of the UTF-8 text as the token b + 4, so the vocabulary has 260 tokens.

    It needs no training, covers every text, and never changes it. In return the sequences are long:
    one token per letter in English, two or three per letter in other scripts. An unknown token
    becomes U+FFFD.

    Example:

    >>> tokenizer = ByteTokenizer()
    >>> tokenizer.tokenize(["ä"]).to_list()
    [[199, 168]]
    >>> tokenizer.pieces([2, 199, 168, 101, 3])
    ['<s>', '<0xC3>', '<0xA4>', 'a', '</s>']
    """

    def __init__(self) -> None:
        super().__init__(name="byte_tokenizer")
        self.vocabulary_size = _NUM_SPECIAL + 256

    def pieces(self, token_ids: Sequence[int]) -> list[str]:
        """Each token in readable form: printable ASCII as it is, other bytes as `<0xC3>`.

        Args:
            token_ids: sequence of int. The ids of one segment.

        Returns:
            A list of str, as long as `token_ids`.
        """
        return [self._piece(int(token_id)) for token_id in token_ids]

    def _piece(self, token_id: int) -> str:
        if 0 <= token_id < _NUM_SPECIAL:
            return SPECIAL_PIECES[token_id]
        if not 0 <= token_id < self.vocabulary_size:
            return SPECIAL_PIECES[self.unknown_token_id]
        byte = token_id - _NUM_SPECIAL
        return chr(byte) if 0x20 < byte < 0x7F else f"<0x{byte:02X}>"

    def _tokenize_batch(self, texts: tf.Tensor) -> tf.RaggedTensor:
        content = tf.io.decode_raw(tf.strings.reduce_join(texts), tf.uint8)  # (all bytes,)
        lengths = tf.strings.length(texts, unit="BYTE")
        return tf.RaggedTensor.from_row_lengths(
            tf.cast(content, tf.int32) + _NUM_SPECIAL, tf.cast(lengths, tf.int64), validate=False
        )

    def _detokenize_batch(self, token_ids: tf.RaggedTensor) -> tf.Tensor:
        table = [_REPLACEMENT] * _NUM_SPECIAL + [bytes([byte]) for byte in range(256)]
        characters = token_ids.with_flat_values(
            tf.gather(tf.constant(table), token_ids.flat_values)
        )
        return tf.strings.reduce_join(characters, axis=-1)

    def _files(self) -> dict[str, bytes]:
        return {}

    @classmethod
    def _from_files(cls, files: dict[str, bytes]) -> "ByteTokenizer":
        return cls()
