"""What users send is made text before it is tokenized."""

import tensorflow as tf

_BLANK = ord(" ")


def clean_text(texts: tf.Tensor) -> tf.Tensor:
    """Takes control characters and bytes that are not UTF-8 for blanks, in a graph too.

    Control characters are U+0000 to U+001F: tabs and line ends among them, NUL, escape sequences.
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
