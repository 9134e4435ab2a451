"""Perplexity per target token, without smoothing: PPL in the paper's Table 3."""

from typing import Any

import keras
import tensorflow as tf

from keras_attn.training.update.read_targets import read_targets
from keras_attn.training.update.token_losses import token_losses


@keras.saving.register_keras_serializable(package="keras_attn")
class Perplexity(keras.metrics.Metric):
    """`exp` of the weighted mean negative log-likelihood of the real target tokens.

    The likelihood is that of the true token, unsmoothed, so that runs with and without label
    smoothing can be compared. It is per token of the model's vocabulary (per subword, as in the
    paper), and exact over a corpus: the sum over all tokens divided by their number, not a mean of
    means.

    `token_count` is the sum of the weights of the target tokens since the last reset.

    Args:
        pad_token_id: int. The label that marks padding. It is not counted, nor are labels below 0.
        name: str. The name of the metric.
        dtype: the dtype of the sums; float32 by default.

    Example:

    >>> metric = Perplexity()
    >>> metric.update_state([[4, 5, 0]], tf.zeros((1, 3, 8)))          # uniform over 8 tokens
    >>> round(float(metric.result()), 4)
    8.0
    """

    def __init__(self, pad_token_id: int = 0, name: str = "perplexity", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.pad_token_id = int(pad_token_id)
        self.negative_log_likelihood = self.add_variable(
            (), initializer="zeros", name="negative_log_likelihood"
        )
        self.token_count = self.add_variable((), initializer="zeros", name="token_count")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any | None = None) -> None:
        """Adds one batch: y_true (B, T), y_pred (B, T, V), sample_weight (B, T) or (B,)."""
        labels, logits, weights = read_targets(y_true, y_pred, sample_weight, self.pad_token_id)
        flat_logits = tf.reshape(logits, (-1, logits.shape[-1]))  # (B, T, V) -> (B*T, V)
        losses, _ = token_losses(flat_logits, tf.reshape(labels, (-1,)))
        # At padding a logit can be anything, even NaN, and NaN times 0 would be NaN.
        losses = tf.math.multiply_no_nan(losses, tf.reshape(weights, (-1,)))
        self.negative_log_likelihood.assign_add(tf.reduce_sum(losses))
        self.token_count.assign_add(tf.reduce_sum(weights))

    def result(self) -> tf.Tensor:
        """Returns the perplexity so far; 1 before any token."""
        return tf.exp(
            tf.math.divide_no_nan(
                tf.convert_to_tensor(self.negative_log_likelihood),
                tf.convert_to_tensor(self.token_count),
            )
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "pad_token_id": self.pad_token_id}
