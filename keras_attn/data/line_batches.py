"""Lines to translate: their tokens, and batches of a few lengths that suit every input."""

from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from keras_attn.data.tokenizer import Tokenizer

SHORTEST_TOKENS = 16
# The possible numbers of rows of a batch. XLA compiles one program for each that occurs.
ROW_COUNTS = (1, 4, 16, 32)


def token_lists(tokenizer: Tokenizer, lines: list[str]) -> list[list[int]]:
    """The token ids of every line, without start and end tokens."""
    return tokenizer.tokenize(tf.constant(lines, tf.string)).to_list() if lines else []


def line_batches(
    lengths: Sequence[int], batch_tokens: int, longest: int | None = None
) -> Iterator[tuple[list[int], tuple[int, int]]]:
    """Groups lines of similar length into batches.

    Training chooses shapes that fit one corpus (`choose_shapes`). Translation must take any input,
    so its lengths are powers of two, each with a few numbers of rows. XLA compiles only these
    shapes, each of them once.

    Args:
        lengths: sequence of int. Tokens of each line; lines of length 0 are left out.
        batch_tokens: int. The largest rows times length of a batch (but at least one row).
        longest: int or None. The largest length of a batch, which no line may exceed.

    Yields:
        The indices of the lines of a batch, by ascending length, and its shape (rows, length). The
        number of rows is the number of lines of this length, rounded up to one of `ROW_COUNTS`. The
        last batch of a length may have fewer lines than rows.

    Example:

    >>> for members, shape in line_batches([5, 40, 0, 3, 20], batch_tokens=64):
    ...     print(members, shape)
    [3, 0] (4, 16)
    [4] (1, 32)
    [1] (1, 64)
    """
    buckets: dict[int, list[int]] = {}
    for line in sorted(range(len(lengths)), key=lengths.__getitem__):
        if lengths[line]:
            length = max(SHORTEST_TOKENS, 1 << (lengths[line] - 1).bit_length())
            buckets.setdefault(min(length, longest or length), []).append(line)
    for length, members in buckets.items():
        most = max(1, min(ROW_COUNTS[-1], batch_tokens // length))
        rows = min(most, next((n for n in ROW_COUNTS if n >= len(members)), most))
        for first in range(0, len(members), rows):
            yield members[first : first + rows], (rows, length)


def pad_rows(
    rows: Sequence[Sequence[int]], num_rows: int | None = None, length: int | None = None
) -> np.ndarray:
    """Rows of ids as one array, padded with 0.

    Args:
        rows: sequence of sequences of int.
        num_rows: int. Rows of the array. Defaults to `len(rows)`.
        length: int. Length of the array. Defaults to that of the longest row.

    Returns:
        int32, (num_rows, length).

    Example:

    >>> pad_rows([[5, 3], [7, 8, 3]], num_rows=3).tolist()
    [[5, 3, 0], [7, 8, 3], [0, 0, 0]]
    """
    length = length or max(len(ids) for ids in rows)
    padded = np.zeros((num_rows or len(rows), length), "int32")
    for row, ids in enumerate(rows):
        padded[row, : len(ids)] = ids
    return padded
