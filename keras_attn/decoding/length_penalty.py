"""The length penalty of beam search (Wu et al., 2016, Equation 14)."""

import tensorflow as tf


def length_penalty(num_tokens: tf.Tensor, alpha: float) -> tf.Tensor:
    """Computes the divisor that makes hypotheses of different lengths comparable.

        lp(Y) = ((5 + |Y|) / 6) ^ alpha                      (Wu et al., 2016, Equation 14)

    A log-probability falls with every token, so plain beam search prefers short translations.
    Dividing by lp, which grows with the length for `alpha > 0`, makes up for this; `alpha = 0`
    leaves the log-probability unchanged, and `alpha < 0` favors short hypotheses even more.

    Args:
        num_tokens: int, any shape. Lengths |Y|, end token included.
        alpha: float. Strength of the penalty; "Attention Is All You Need" uses 0.6 (Section 6.1).

    Returns:
        float32 tensor of the same shape.

    Example:
    >>> length_penalty(tf.constant([1, 7]), alpha=1.0).numpy().tolist()
    [1.0, 2.0]

    References:
        - [Wu et al., 2016](https://arxiv.org/abs/1609.08144), Section 7.
    """
    return ((5.0 + tf.cast(num_tokens, tf.float32)) / 6.0) ** alpha
