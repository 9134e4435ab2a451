"""The label-smoothed loss of each token, and the normalizer of its softmax."""

import tensorflow as tf


def token_losses(
    logits: tf.Tensor, labels: tf.Tensor, label_smoothing: float = 0.0
) -> tuple[tf.Tensor, tf.Tensor]:
    """Computes `logsumexp(x) - (1 - e) * x[y] - e * mean(x)` of each token's logits x and label y.

    Loss and perplexity call it on the same logits: XLA computes what they share once.

    Args:
        logits: float32 (N, V).
        labels: int32 (N,).
        label_smoothing: float in [0, 1): e.

    Returns:
        The losses (N,), and `logsumexp(x)` (N,).

    Example:

    >>> losses, log_normalizers = token_losses(tf.zeros((1, 8)), tf.constant([4]))
    >>> round(float(losses[0]), 4), round(float(log_normalizers[0]), 4)
    (2.0794, 2.0794)
    """
    maximum = tf.reduce_max(logits, axis=-1)
    shifted = logits - maximum[:, tf.newaxis]
    log_normalizer = tf.math.log(tf.reduce_sum(tf.exp(shifted), axis=-1)) + maximum
    label_logits = tf.gather(logits, labels, batch_dims=1)
    losses = log_normalizer - (1.0 - label_smoothing) * label_logits
    if label_smoothing:
        losses -= label_smoothing * tf.reduce_mean(logits, axis=-1)
    return losses, log_normalizer
