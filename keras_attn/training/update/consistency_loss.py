"""R-Drop: two passes with different dropout should predict the same (Wu et al., 2021)."""

import tensorflow as tf

from keras_attn.training.update.real_logits import real_logits


def symmetric_divergence(
    first_logits: tf.Tensor, second_logits: tf.Tensor, weights: tf.Tensor
) -> tf.Tensor:
    """The weighted sum of the divergences between two predictions of the same tokens.

        divergence(p, q) = KL(p || q) + KL(q || p) = sum over v of (p_v - q_v) (log p_v - log q_v)

    It is computed in float32, whatever the dtype of the logits.

    Args:
        first_logits: float (B, T, V). The logits of one pass.
        second_logits: float (B, T, V). The logits of another.
        weights: float (B, T). The weight of each token; 0 for padding.

    Returns:
        float32 scalar, in nats.

    Example:

    >>> one, other = tf.constant([[[0.0, 0.0]]]), tf.constant([[[1.0, 0.0]]])
    >>> round(float(symmetric_divergence(one, other, tf.ones((1, 1)))), 4)
    0.2311

    References:
        Wu et al., "R-Drop: Regularized Dropout for Neural Networks", 2021, Equation 2.
    """
    first, second = (
        tf.nn.log_softmax(real_logits(logits, weights)) for logits in (first_logits, second_logits)
    )
    # A token that both rule out adds nothing, but its difference, -inf - -inf, would be NaN.
    difference = tf.where(tf.equal(first, second), 0.0, first - second)
    divergence = tf.reduce_sum((tf.exp(first) - tf.exp(second)) * difference, axis=-1)
    return tf.reduce_sum(divergence * weights)
