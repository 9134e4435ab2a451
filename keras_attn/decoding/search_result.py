"""What a search returns."""

from typing import NamedTuple

import tensorflow as tf

UNUSED_SCORE: float = float(tf.float32.min)
"""Score and log-probability of a slot without a hypothesis: the lowest finite float32."""


class SearchResult(NamedTuple):
    """The best hypotheses of every sentence, best first.

    A sentence can have fewer hypotheses than were asked for (with a limit of one token there is
    just one sequence), and none at all if the model's logits are NaN. Slots without a hypothesis
    hold only padding, `UNUSED_SCORE` as log-probability and as score, and are not `truncated`. No
    value is ever NaN.

    Args:
        token_ids: int32, (B, N, T). The tokens produced, with the end token but without the start
            token; padded with 0 to T = `max_length`.
        log_probabilities: float32, (B, N). Natural logarithm of the probability that the model
            gives to the whole sequence, end token included.
        scores: float32, (B, N). What the hypotheses are ranked by: the log-probability after the
            length penalty, if the strategy has one.
        truncated: bool, (B, N). True where the length limit ended the hypothesis: the end token was
            forced although the model gave another token a higher logit.

    Example:
    >>> result = SearchResult(
    ...     token_ids=tf.constant([[[4, 3, 0]]]),
    ...     log_probabilities=tf.constant([[-1.5]]),
    ...     scores=tf.constant([[-1.5]]),
    ...     truncated=tf.constant([[False]]),
    ... )
    >>> result.token_ids.shape
    TensorShape([1, 1, 3])
    """

    token_ids: tf.Tensor
    log_probabilities: tf.Tensor
    scores: tf.Tensor
    truncated: tf.Tensor
