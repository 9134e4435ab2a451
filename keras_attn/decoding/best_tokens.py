"""The best next tokens of every hypothesis, with their log-probabilities."""

from typing import NamedTuple

import tensorflow as tf

from keras_attn.decoding.search_rules import SearchRules
from keras_attn.decoding.token_log_probabilities import IMPOSSIBLE_LOG_PROBABILITY

# Tokens are searched in groups. Their size divides the vocabulary's and is near its square root.
_SMALLEST_GROUP, _LARGEST_GROUP = 16, 512
_MINUS_INFINITY = -float("inf")


class BestTokens(NamedTuple):
    """The k best tokens that every hypothesis may be continued with, best first.

    Args:
        token_ids: int32, (B, W, k). Among equal tokens, the one with the lower id is first.
        log_probabilities: float32, (B, W, k). The model's, at most 0; minus infinity where there is
            no such token or the logits hold NaN. -1e9 stands for the logarithm of 0.
        cut_short: bool, (B, W). Where the length limit forces the end token although another token
            is more probable.
    """

    token_ids: tf.Tensor
    log_probabilities: tf.Tensor
    cut_short: tf.Tensor


def best_tokens(
    logits: tf.Tensor, rules: SearchRules, step: tf.Tensor, min_length: int, k: int
) -> BestTokens:
    """Finds the k best tokens of every hypothesis, and only their log-probabilities.

    The result is that of `token_log_probabilities` followed by a `top_k` over the allowed tokens.
    Those would write (B, W, V) values twice and sort them. Measured for 64 sentences, 4 beams,
    V = 8,000 on 2 CPU cores: 1.8 instead of 5.5 ms under XLA, 2.9 instead of 7.5 ms in a plain
    graph.

    Args:
        logits: float, (B, W, V). Logits for the next token.
        rules: `SearchRules`.
        step: int32 scalar. Number of tokens produced so far.
        min_length: int. Tokens required before the end token.
        k: int. At most V.

    Returns:
        `BestTokens`.
    """
    logits = tf.cast(logits, tf.float32)
    vocabulary_size = tf.shape(logits)[2] if logits.shape[2] is None else logits.shape[2]
    # A token that the model rules out stays ahead of those that the rules forbid.
    possible = tf.maximum(logits, IMPOSSIBLE_LOG_PROBABILITY)
    allowed = possible + rules.token_bias(vocabulary_size, step, min_length)
    # XLA has a fast `top_k` for matrices only: it sorts the last of three axes.
    values, token_ids = _top(tf.reshape(allowed, (-1, vocabulary_size)), k)  # (B * W, k)
    shape = (-1, logits.shape[1], k)
    values, token_ids = tf.reshape(values, shape), tf.reshape(token_ids, shape)  # (B, W, k)
    # The greatest logit may belong to a token that is never produced. With it, no exponent is
    # above 0.
    special = tf.gather(possible, rules.special_token_ids(), axis=2)  # (B, W, 3)
    greatest = tf.maximum(values[:, :, :1], tf.reduce_max(special, axis=2, keepdims=True))
    exponentials = tf.reduce_sum(tf.exp(logits - greatest), axis=2, keepdims=True)
    normalizer = greatest + tf.math.log(exponentials)  # (B, W, 1)

    end_values = special[:, :, -1:]  # (B, W, 1)
    at_limit = rules.at_limit(step)  # (B, 1)
    cut_short = at_limit & (values[:, :, 0] > end_values[:, :, 0])
    forced = tf.where(tf.range(k) == 0, end_values, _MINUS_INFINITY)  # (B, W, k)
    values = tf.where(at_limit[:, :, tf.newaxis], forced, values)
    token_ids = tf.where(at_limit[:, :, tf.newaxis], rules.end_token_id, token_ids)

    log_probabilities = values - normalizer
    log_probabilities = tf.where(
        # The model gives no probabilities where a logit is NaN, or every token is impossible.
        (log_probabilities > _MINUS_INFINITY) & (normalizer > _MINUS_INFINITY),
        tf.maximum(log_probabilities, IMPOSSIBLE_LOG_PROBABILITY),
        _MINUS_INFINITY,
    )
    return BestTokens(token_ids, log_probabilities, cut_short)


def _top(values: tf.Tensor, k: int) -> tuple[tf.Tensor, tf.Tensor]:
    """`tf.math.top_k` of (N, V) in two steps: the k best are in the groups with the k best maxima.

    Groups are ranges of tokens. If a token among the k best were in another group, each of the k
    groups would hold a better one: a greater value, or the same value at a lower id.
    """
    size = _group_size(values.shape[1])
    if size is None or values.shape[1] // size < k:
        return tf.math.top_k(values, k=k)
    groups = tf.reshape(values, (-1, values.shape[1] // size, size))  # (N, G, V / G)
    _, best = tf.math.top_k(tf.reduce_max(groups, axis=2), k=k)  # (N, k)
    best = tf.sort(best, axis=1) if k > 1 else best  # in the order of their tokens
    candidates = tf.reshape(tf.gather(groups, best, batch_dims=1), (-1, k * size))
    values, indices = tf.math.top_k(candidates, k=k)  # (N, k)
    group = tf.gather(best, indices // size, batch_dims=1)
    return values, group * size + indices % size


def _group_size(vocabulary_size: int | None) -> int | None:
    """The divisor of the vocabulary's size that is nearest to its square root, or None."""
    if vocabulary_size is None:
        return None
    root = vocabulary_size**0.5
    divisors = [
        size
        for size in range(_SMALLEST_GROUP, min(_LARGEST_GROUP, vocabulary_size // 2) + 1)
        if vocabulary_size % size == 0
    ]
    return min(divisors, key=lambda size: abs(size - root), default=None)
