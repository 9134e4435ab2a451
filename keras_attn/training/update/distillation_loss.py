"""Knowledge distillation: a model learns the distributions that a teacher predicts."""

import tensorflow as tf


def distillation_loss(
    teacher_logits: tf.Tensor, logits: tf.Tensor, weights: tf.Tensor
) -> tf.Tensor:
    """The weighted sum of the cross entropies with what a teacher predicts for the same tokens.

        loss = - sum over v of q_v log p_v,   q = softmax(teacher_logits),   p = softmax(logits)

    It is computed in float32, whatever the dtype of the logits. The teacher gets no gradient.

    Args:
        teacher_logits: float (B, T, V). The logits of the teacher.
        logits: float (B, T, V). The logits of the model that learns.
        weights: float (B, T). The weight of each token; 0 for padding.

    Returns:
        float32 scalar, in nats.

    Example:

    >>> teacher, model = tf.constant([[[0.0, 0.0]]]), tf.constant([[[0.0, 0.0]]])
    >>> round(float(distillation_loss(teacher, model, tf.ones((1, 1)))), 4)     # ln(2)
    0.6931

    References:
        Kim and Rush, "Sequence-Level Knowledge Distillation", 2016, Section 3.1 (word level).
    """
    probabilities = tf.stop_gradient(tf.nn.softmax(tf.cast(teacher_logits, tf.float32)))
    losses = tf.nn.softmax_cross_entropy_with_logits(probabilities, tf.cast(logits, tf.float32))
    # At padding a logit can be anything, even NaN, and NaN times 0 would be NaN.
    return tf.reduce_sum(tf.where(weights > 0, losses * weights, 0.0))
