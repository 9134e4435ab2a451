"""Knowledge distillation: a model learns the distributions that a teacher predicts."""

import tensorflow as tf

from keras_attn.training.update.real_logits import real_logits


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
    probabilities = tf.stop_gradient(tf.nn.softmax(real_logits(teacher_logits, weights)))
    logs = tf.nn.log_softmax(real_logits(logits, weights))
    # A token that both rule out adds nothing, but 0 times log 0 would be NaN.
    products = tf.math.multiply_no_nan(logs, probabilities)
    return -tf.reduce_sum(tf.reduce_sum(products, axis=-1) * weights)
