"""A batch in equal blocks of rows."""

import tensorflow as tf


def split_rows(rows: tf.Tensor, count: int) -> tf.Tensor:
    """Reshapes (rows, ...) to (count, rows / count, ...), and keeps what is known of the shape.

    Args:
        rows: tensor. Its rows are a multiple of `count`.
        count: int. The number of blocks.

    Returns:
        tensor.

    Example:

    >>> split_rows(tf.range(6), 3).numpy().tolist()
    [[0, 1], [2, 3], [4, 5]]
    """
    shape = tf.shape(rows)
    blocks = tf.reshape(rows, tf.concat([[count, shape[0] // count], shape[1:]], axis=0))
    if rows.shape.rank is None:  # of weights of several ranks, see `token_weights`
        return blocks
    rows_of_block = None if rows.shape[0] is None else rows.shape[0] // count
    return tf.ensure_shape(blocks, [count, rows_of_block, *rows.shape[1:]])
