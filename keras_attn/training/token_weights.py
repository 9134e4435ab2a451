"""How much each target token counts in a loss or a metric: padding nothing, else its weight."""

import tensorflow as tf


def token_weights(
    labels: tf.Tensor, sample_weight: tf.Tensor | None = None, pad_token_id: int = 0
) -> tf.Tensor:
    """Gives every label its weight: 0 at padding, else 1 times the sample weight.

    Args:
        labels: integer tensor of any shape. The token ids to predict.
        sample_weight: tensor or None. Of the shape of `labels`, or with fewer axes (a weight a
            sentence, say), which then count for all that follows on the missing last axes.
        pad_token_id: int. The label of padding.

    Returns:
        float32 tensor of the shape of `labels`.

    Example:

    >>> token_weights(tf.constant([[7, 8, 0]]), tf.constant([0.5])).numpy().tolist()
    [[0.5, 0.5, 0.0]]
    """
    labels = tf.convert_to_tensor(labels)
    weights = tf.cast(tf.not_equal(labels, tf.cast(pad_token_id, labels.dtype)), tf.float32)
    if sample_weight is None:
        return weights
    sample_weight = tf.cast(sample_weight, tf.float32)
    for _ in range(weights.shape.rank - sample_weight.shape.rank):
        sample_weight = sample_weight[..., tf.newaxis]
    return weights * sample_weight
