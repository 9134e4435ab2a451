"""The token ids of many segments, kept compactly in memory."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_attn.data.tokenizer import Tokenizer

_ROWS_PER_CALL = 1024


class TokenSequences:
    """The token ids of many segments, one after another in a flat array.

    It takes 4 bytes per token and 16 bytes per segment: 5 million segments of 30 tokens are 0.7 GB.
    A selection shares the flat array with the original.

    Args:
        flat_token_ids: int32 array (all tokens,).
        starts: int64 array (N,). Where each segment starts in `flat_token_ids`.
        lengths: int64 array (N,). How many tokens each segment has.

    Example:

    >>> sequences = TokenSequences(np.array([5, 6, 3, 7, 3]), np.array([0, 3]), np.array([3, 2]))
    >>> len(sequences), sequences[1].tolist()
    (2, [7, 3])
    """

    def __init__(self, flat_token_ids: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> None:
        self.flat_token_ids = np.asarray(flat_token_ids, dtype=np.int32)
        self.starts = np.asarray(starts, dtype=np.int64)
        self.lengths = np.asarray(lengths, dtype=np.int64)

    @classmethod
    def encode(cls, texts: Sequence[str], tokenizer: Tokenizer) -> "TokenSequences":
        """Tokenizes texts in parallel and appends the end token to each.

        Args:
            texts: sequence of str. The segments.
            tokenizer: `Tokenizer`. Turns the texts into token ids.

        Returns:
            A `TokenSequences` as long as `texts`, every length at least 1.
        """
        with tf.device("/CPU:0"):
            all_texts = tf.constant(list(texts), tf.string, shape=(len(texts),))

        def tokenize(batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            ends = tf.fill([tf.size(batch), 1], tf.constant(tokenizer.end_token_id, tf.int32))
            token_ids = tf.concat([tokenizer.tokenize(batch), ends], axis=1)
            return token_ids.flat_values, token_ids.row_lengths()

        dataset = tf.data.Dataset.from_tensor_slices(all_texts).batch(_ROWS_PER_CALL)
        dataset = dataset.map(tokenize, num_parallel_calls=tf.data.AUTOTUNE).prefetch(
            tf.data.AUTOTUNE
        )
        flat, lengths = [np.zeros(0, np.int32)], [np.zeros(0, np.int64)]
        for values, row_lengths in dataset.as_numpy_iterator():
            flat.append(values)
            lengths.append(row_lengths)
        all_lengths = np.concatenate(lengths)
        return cls(np.concatenate(flat), np.cumsum(all_lengths) - all_lengths, all_lengths)

    def select(self, indices: np.ndarray) -> "TokenSequences":
        """The segments at these indices, in this order.

        Args:
            indices: integer array (M,). The indices of the segments.

        Returns:
            A `TokenSequences` of length M.
        """
        return TokenSequences(self.flat_token_ids, self.starts[indices], self.lengths[indices])

    def __len__(self) -> int:
        """The number of segments."""
        return len(self.starts)

    def __getitem__(self, index: int) -> np.ndarray:
        """The token ids of one segment."""
        start = self.starts[index]
        return self.flat_token_ids[start : start + self.lengths[index]]
