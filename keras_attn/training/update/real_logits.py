"""Logits without those at padding, for losses that compare two predictions."""

import tensorflow as tf


def real_logits(logits: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """The logits in float32, with 0 at padding.

    There a logit can be anything, even NaN, and both NaN times 0 and its gradient are NaN.

    Args:
        logits: float (B, T, V).
        weights: float (B, T). The weight of each token; 0 for padding.

    Returns:
        float32, (B, T, V).

    Example:

    >>> logits = tf.constant([[[1.0, 2.0], [float("nan"), 3.0]]])
    >>> real_logits(logits, tf.constant([[1.0, 0.0]])).numpy().tolist()
    [[[1.0, 2.0], [0.0, 0.0]]]
    """
    return tf.where((weights > 0)[..., tf.newaxis], tf.cast(logits, tf.float32), 0.0)
