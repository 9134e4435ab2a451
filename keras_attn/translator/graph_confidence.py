"""The calibrated confidence of a translation, in a graph."""

import tensorflow as tf

from keras_attn.lines.confidence import Confidence


def graph_confidence(
    confidence: Confidence,
    log_probabilities: tf.Tensor,
    source_tokens: tf.Tensor,
    target_tokens: tf.Tensor,
) -> tf.Tensor:
    """The probability that translations are good: `Confidence.of` with TensorFlow.

    Args:
        confidence: `Confidence`.
        log_probabilities: float32, (B,). Of whole translations.
        source_tokens: int32, (B,). Tokens read, end tokens not counted.
        target_tokens: int32, (B,). Tokens written, end tokens not counted.

    Returns:
        float32, (B,). From 0 to 1; 1 for a line without tokens.
    """
    read = tf.cast(source_tokens + 1, tf.float32)
    written = tf.cast(target_tokens + 1, tf.float32)
    score = confidence.score(log_probabilities, read, written, tf.math.log)
    return tf.where(source_tokens == 0, 1.0, tf.sigmoid(score))
