"""Labels, logits and weights of target tokens, as the loss and the metrics use them."""

from typing import Any

import tensorflow as tf

from keras_attn.ops.dense_tensors import check_dense
from keras_attn.training.update.token_weights import is_counted, token_weights


def read_targets(
    y_true: Any, y_pred: Any, sample_weight: Any | None = None, pad_token_id: int = 0
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Checks and casts the arguments that Keras passes to a loss or a metric.

    A label that marks padding, or is below 0 (often -100), has weight 0, whatever its logits. A
    label beyond the vocabulary is a mistake. In eager mode it raises an error. In a graph its
    weight is NaN, and so are the loss and its gradient.

    Args:
        y_true: int (B, T). The labels. Floats without fractions are accepted.
        y_pred: float (B, T, V). The logits.
        sample_weight: float (B, T) or (B,), or None.
        pad_token_id: int. The label of padding.

    Returns:
        Labels int32 (B, T), 0 at padding and below 0; logits float32 (B, T, V); weights float32
        (B, T).

    Raises:
        ValueError: if a tensor is missing, ragged, sparse or of a shape that does not fit, or a
            label is not an id of the vocabulary.

    Example:

    >>> labels, _, weights = read_targets([[7, -100, 0]], tf.zeros((1, 3, 9)))
    >>> labels.numpy().tolist(), weights.numpy().tolist()
    ([[7, 0, 0]], [[1.0, 0.0, 0.0]])
    """
    _check_tensors(y_true=y_true, y_pred=y_pred, sample_weight=sample_weight)
    given = tf.convert_to_tensor(y_true)
    logits = tf.cast(y_pred, tf.float32)
    _check_shapes(given.shape, logits.shape)
    labels = tf.cast(given, tf.int32)
    vocabulary_size = logits.shape[-1]
    _check_values(given, labels, vocabulary_size)
    counts = is_counted(labels, pad_token_id)
    weights = token_weights(labels, sample_weight, pad_token_id)
    weights = tf.where(labels < vocabulary_size, weights, float("nan"))
    return tf.where(counts, labels, 0), logits, weights


def _check_tensors(**tensors: Any) -> None:
    check_dense(**tensors)
    for name, tensor in tensors.items():
        if tensor is None and name != "sample_weight":
            raise ValueError(f"`{name}` must be a tensor. Received: None.")


def _check_shapes(labels: tf.TensorShape, logits: tf.TensorShape) -> None:
    if not logits[:-1].is_compatible_with(labels):
        raise ValueError(
            "`y_true` must be token ids of shape (batch, length), and `y_pred` logits of shape "
            f"(batch, length, vocabulary). Received: {tuple(labels)} and {tuple(logits)}."
        )


def _check_values(given: tf.Tensor, labels: tf.Tensor, vocabulary_size: int) -> None:
    """Checks the values, which are known only in eager mode."""
    if not tf.executing_eagerly() or 0 in labels.shape:
        return
    largest = int(tf.reduce_max(labels))
    has_fractions = given.dtype.is_floating and bool(
        tf.reduce_any(tf.not_equal(tf.cast(labels, given.dtype), given))
    )
    if largest >= vocabulary_size or has_fractions:
        received = f"{'fractions' if has_fractions else largest}, dtype={given.dtype.name}"
        raise ValueError(
            f"`y_true` must be token ids below the number of logits, {vocabulary_size}. "
            f"Received: {received}. Check that the tokenizer belongs to this model."
        )
