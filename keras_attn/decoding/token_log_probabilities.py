"""From logits to the log-probabilities that a search adds up."""

import tensorflow as tf

IMPOSSIBLE_LOG_PROBABILITY: float = -1e9
"""Stands for log 0, so that sums, quotients and comparisons stay finite."""


def token_log_probabilities(logits: tf.Tensor) -> tf.Tensor:
    """Computes log softmax over the whole vocabulary, in float32 whatever the logits' type.

    Sums of half-precision log-probabilities would lose the differences that hypotheses are ranked
    by. A token that the model rules out (logit minus infinity) gets -1e9. Minus infinity is kept
    for the search's own masks, so that even an "impossible" end token can be taken at a length
    limit. NaN becomes minus infinity, so that the search drops its hypothesis.

    Args:
        logits: float, (..., V).

    Returns:
        float32, (..., V), at most 0, never NaN.

    Example:
    >>> token_log_probabilities(tf.constant([0.0, 0.0], tf.float16)).numpy().round(4).tolist()
    [-0.6930999755859375, -0.6930999755859375]
    """
    log_probabilities = tf.nn.log_softmax(tf.cast(logits, tf.float32), axis=-1)
    return tf.where(
        tf.math.is_nan(log_probabilities),
        -float("inf"),
        tf.maximum(log_probabilities, IMPOSSIBLE_LOG_PROBABILITY),
    )
