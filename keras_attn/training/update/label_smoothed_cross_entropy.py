"""Cross entropy with label smoothing on integer labels, exact per token (Section 5.4).

The smoothing is that of Szegedy et al. (2016): the target distribution is `1 - epsilon` on the true
token plus `epsilon / V` on every token of the vocabulary, the true one included.
"""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import keras
import tensorflow as tf

from keras_attn.training.replicas.sum_over_replicas import sum_over_replicas
from keras_attn.training.update.read_targets import read_targets
from keras_attn.training.update.token_losses import token_losses

_batch_token_count: ContextVar[tf.Tensor | None] = ContextVar("batch_token_count", default=None)


@contextlib.contextmanager
def parts_of_batch(token_count: tf.Tensor) -> Iterator[None]:
    """Makes `LabelSmoothedCrossEntropy` divide by the number of tokens of the whole batch.

    Use it to compute the loss of a batch in parts: the losses of the parts add up to that loss.

    Args:
        token_count: float scalar. The sum of the weights of the global batch's target tokens.

    Example:

    >>> loss = LabelSmoothedCrossEntropy(label_smoothing=0.0)
    >>> with parts_of_batch(tf.constant(4.0)):
    ...     part = loss(tf.constant([[4, 5, 0]]), tf.zeros((1, 3, 8)))
    >>> round(float(part), 4)                           # 2 of the 4 tokens, ln(8) each
    1.0397
    """
    reset = _batch_token_count.set(token_count)
    try:
        yield
    finally:
        _batch_token_count.reset(reset)


@keras.saving.register_keras_serializable(package="keras_attn")
class LabelSmoothedCrossEntropy(keras.losses.Loss):
    """Label-smoothed cross entropy: the sum over real target tokens divided by their number.

    For one token with logits x and label y, with e the label smoothing and V the vocabulary size:

        loss = logsumexp(x) - (1 - e) * x[y] - e * mean(x)

    which equals the cross entropy with the dense distribution `(1 - e) * onehot(y) + e / V` without
    ever making that (B, T, V) tensor. Padding (label `pad_token_id`, or any below 0, such as -100)
    counts neither in the sum nor in the number; weights multiply both. The loss is computed in
    float32, whatever the dtype policy. A label beyond the vocabulary is an error in eager mode and
    in a plain graph on a CPU; under XLA, which cannot raise errors, loss and gradient are NaN.

    Under `tf.distribute` the number of tokens is that of the *global* batch (one all-reduce of a
    scalar). Keras adds up the gradients of the replicas, and this loss is not scaled down by their
    number. So replicas with uneven numbers of tokens together give exactly the gradient that one
    device gives. A batch without a real token gives 0, not NaN.

    The `loss` that Keras shows is the mean of the batches' losses, weighted by their rows.
    `keras_attn.training.Perplexity` is exact per token over a whole corpus.

    Args:
        label_smoothing: float in [0, 1). The paper's 0.1 (Section 5.4) by default.
        pad_token_id: int. The label that marks padding.
        name: str. The name of the loss.

    Raises:
        ValueError: if `label_smoothing` is outside [0, 1).

    Example:

    >>> loss = LabelSmoothedCrossEntropy(label_smoothing=0.0)
    >>> logits = tf.zeros((1, 3, 8))                       # uniform: every token costs ln(8)
    >>> round(float(loss(tf.constant([[4, 5, 0]]), logits)), 4)
    2.0794

    References:
        Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2016, Sec. 7.
    """

    def __init__(
        self,
        label_smoothing: float = 0.1,
        pad_token_id: int = 0,
        name: str = "label_smoothed_cross_entropy",
    ) -> None:
        if not 0.0 <= label_smoothing < 1.0:
            raise ValueError(
                "`label_smoothing` must be at least 0 and less than 1 (the paper's is 0.1). "
                f"Received: label_smoothing={label_smoothing}"
            )
        super().__init__(name=name, reduction="sum", dtype="float32")
        self.label_smoothing = float(label_smoothing)
        self.pad_token_id = int(pad_token_id)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any | None = None) -> tf.Tensor:
        """Computes the mean loss of the real tokens of the global batch.

        Keras' own `Loss.__call__` turns labels into floats, and divides by the size of the tensor,
        padding included. This method replaces it.

        Args:
            y_true: integer tensor (B, T). The labels.
            y_pred: tensor (B, T, V). The logits. (A Keras mask on it is ignored: the labels
                mark the padding.)
            sample_weight: tensor (B, T) or (B,), or None.

        Returns:
            float32 scalar: this replica's share of the loss, the weighted sum of the losses of its
            tokens divided by the sum of the weights of all replicas' tokens.
        """
        with tf.name_scope(self.name):
            labels, logits, weights = read_targets(y_true, y_pred, sample_weight, self.pad_token_id)
            token_count = _batch_token_count.get()
            if token_count is None:
                token_count = sum_over_replicas(tf.reduce_sum(weights))
            shares = tf.math.divide_no_nan(weights, token_count)
            vocabulary_size = logits.shape[-1]
            return _weighted_sum(
                tf.reshape(logits, (-1, vocabulary_size)),  # (B, T, V) -> (B*T, V)
                tf.reshape(labels, (-1,)),  # (B, T) -> (B*T,)
                tf.stop_gradient(tf.reshape(shares, (-1,))),
                self.label_smoothing,
            )

    def call(self, y_true: Any, y_pred: Any) -> tf.Tensor:
        """Computes the loss of each token, unweighted: (B, T), 0 at padding.

        Args:
            y_true: integer tensor (B, T). The labels.
            y_pred: tensor (B, T, V). The logits.

        Returns:
            float32 tensor (B, T).
        """
        labels, logits, weights = read_targets(y_true, y_pred, pad_token_id=self.pad_token_id)
        flat_logits = tf.reshape(logits, (-1, logits.shape[-1]))  # (B, T, V) -> (B*T, V)
        losses, _ = token_losses(flat_logits, tf.reshape(labels, (-1,)), self.label_smoothing)
        # (B*T,) -> (B, T)
        return tf.math.multiply_no_nan(tf.reshape(losses, tf.shape(labels)), weights)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            "label_smoothing": self.label_smoothing,
            "pad_token_id": self.pad_token_id,
            "name": self.name,
        }


def _weighted_sum(
    logits: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor, label_smoothing: float
) -> tf.Tensor:
    """Sum of weight times loss, with its gradient written out: logits (N, V) -> scalar.

    The gradient is `weight * (softmax - (1 - e) * onehot - e / V)`: one pass over the logits and
    one scattered subtraction. Measured on 2 CPU cores, 64 x 32 tokens, V = 8,000, with the
    projection from 256 and its gradients (78 ms by themselves), milliseconds per forward and
    backward pass:

                                          XLA   graph   eager
        gather + scatter (this)           102    109     109
        gather + comparison with iota     120    126     116
        gather + dense one-hot backward   167    119     118
        automatic differentiation         263    169     163
        dense one-hot labels               96    131     154     (the only one that needs them)
    """

    @tf.custom_gradient
    def weighted_sum(logits: tf.Tensor) -> Any:
        losses, log_normalizer = token_losses(logits, labels, label_smoothing)

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            scale = upstream * weights
            vocabulary_size = logits.shape[-1]
            probabilities = tf.exp(logits - log_normalizer[:, tf.newaxis])
            smoothed = tf.math.multiply_no_nan(
                probabilities - label_smoothing / vocabulary_size, scale[:, tf.newaxis]
            )
            rows = tf.range(tf.shape(labels)[0], dtype=labels.dtype)
            indices = tf.stack([rows, labels], axis=-1)  # (N, 2): row, token
            return tf.tensor_scatter_nd_sub(smoothed, indices, (1.0 - label_smoothing) * scale)

        # At padding a logit can be anything, even NaN, and NaN times 0 would be NaN.
        return tf.reduce_sum(tf.math.multiply_no_nan(losses, weights)), gradient

    return weighted_sum(logits)
