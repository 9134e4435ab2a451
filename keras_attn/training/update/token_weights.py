"""How much each target token counts in a loss or a metric."""

import tensorflow as tf


def token_weights(
    labels: tf.Tensor, sample_weight: tf.Tensor | None = None, pad_token_id: int = 0
) -> tf.Tensor:
    """Returns the weight of every label: 0 at padding and below 0, else the sample weight or 1.

    Args:
        labels: integer tensor of any shape. The token ids to predict.
        sample_weight: tensor or None. Of the shape of `labels`, or with fewer axes, such as one
            weight per sentence; a weight then applies to all labels on the missing last axes.
        pad_token_id: int. The label of padding.

    Returns:
        float32 tensor of the shape of `labels`.

    Raises:
        ValueError: if the shapes do not fit.

    Example:

    >>> token_weights(tf.constant([[7, 8, 0]]), tf.constant([0.5])).numpy().tolist()
    [[0.5, 0.5, 0.0]]
    """
    labels = tf.convert_to_tensor(labels)
    weights = tf.cast(is_counted(labels, pad_token_id), tf.float32)
    if sample_weight is None:
        return weights
    sample_weight = tf.cast(sample_weight, tf.float32)
    if sample_weight.shape.rank is None:  # Keras' `fit` has seen weights of several ranks
        missing = weights.shape.rank - tf.rank(sample_weight)
        shape = tf.concat([tf.shape(sample_weight), tf.ones([missing], tf.int32)], axis=0)
        return tf.ensure_shape(weights * tf.reshape(sample_weight, shape), weights.shape)
    if not sample_weight.shape.is_compatible_with(weights.shape[: sample_weight.shape.rank]):
        raise ValueError(
            "`sample_weight` must have a weight for each label, or for each row of labels. "
            f"Received: shape {tuple(sample_weight.shape)}, labels of shape {tuple(labels.shape)}."
        )
    for _ in range(weights.shape.rank - sample_weight.shape.rank):
        sample_weight = sample_weight[..., tf.newaxis]
    return weights * sample_weight


def is_counted(labels: tf.Tensor, pad_token_id: int = 0) -> tf.Tensor:
    """Whether each label counts: it is neither padding nor below 0.

    Args:
        labels: integer tensor of any shape.
        pad_token_id: int. The label of padding.

    Returns:
        bool tensor of the shape of `labels`.

    Example:

    >>> is_counted(tf.constant([7, 0, -100])).numpy().tolist()
    [True, False, False]
    """
    is_token = tf.not_equal(labels, tf.cast(pad_token_id, labels.dtype))
    return tf.logical_and(labels >= 0, is_token)
