"""Turns what users send into valid text before it is tokenized."""

import tensorflow as tf

_BLANK = ord(" ")


def clean_text(texts: tf.Tensor) -> tf.Tensor:
    """Replaces control characters and bytes that are not UTF-8 with blanks, also in a graph.

    Control characters are U+0000 to U+001F, such as tabs, line ends, NUL and escape.
    A sequence of bytes that is not UTF-8 becomes one blank.

    Args:
        texts: string tensor.

    Returns:
        A string tensor of the same shape: UTF-8.

    Example:

    >>> clean_text(tf.constant([b"caf\\xe9 au\\tlait"])).numpy().tolist()
    [b'caf  au lait']
    """
    return tf.strings.unicode_transcode(
        texts,
        "UTF-8",
        "UTF-8",
        errors="replace",
        replacement_char=_BLANK,
        replace_control_characters=True,
    )
