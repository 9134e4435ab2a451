"""Beam search with a length penalty (Wu et al., 2016, Section 7)."""

from typing import Any

import tensorflow as tf

from keras_attn.decoding.best_tokens import BestTokens, best_tokens
from keras_attn.decoding.hypotheses import Hypotheses
from keras_attn.decoding.length_penalty import length_penalty as penalty_of_length
from keras_attn.decoding.search_rules import SearchRules
from keras_attn.decoding.search_strategy import SearchStrategy, StrategyStep
from keras_attn.system.argument_checks import check_number


class BeamSearch(SearchStrategy):
    """Extends the W best hypotheses of every sentence side by side; returns the N best that end.

    The beam of a sentence has W slots. A continuation is a pair of a live hypothesis and a token.
    At every step the search keeps the best continuations by log-probability: as many as there are
    slots without a finished hypothesis. A continuation with the end token is finished. It keeps its
    slot, and the live beam is one narrower from then on (as in the decoders of Bahdanau et al.,
    2015). Among equal continuations, the one with the lower slot comes first, then the one with the
    lower token id. So a single beam is greedy search, whatever the penalty, and a beam as wide as
    the number of possible sequences is exhaustive search.

    Finished hypotheses are ranked by their score

        score(Y) = log P(Y) / lp(Y),    lp(Y) = ((5 + |Y|) / 6) ^ length_penalty

    with |Y| counting the end token. `length_penalty=0` ranks by log-probability.

    A sentence is done when no hypothesis is alive, or when no live hypothesis can still enter the N
    best. This loses nothing. Every token adds a log-probability of at most 0, so a live hypothesis
    with log-probability p < 0 ends with log P(Y) <= p, and its score is at most p / lp(Y). For
    `length_penalty >= 0`, lp grows with |Y|, and the bound is greatest for the longest Y allowed,
    the sentence's limit. For `length_penalty < 0` it is greatest for the shortest: one more token,
    the end token. If the N-th best finished score is at least that bound for the best live
    hypothesis, no continuation can score higher than the N found so far.

    Args:
        num_beams: int. Hypotheses kept for each sentence, W. Defaults to `4`, as in the paper.
        length_penalty: float. The exponent alpha. Defaults to `0.6`, as in the paper.
        num_hypotheses: int. Hypotheses returned, N, at most `num_beams`. Defaults to `1`.
        min_length: int. Tokens required before the end token. Defaults to `0`.

    Raises:
        ValueError: if an argument is out of range.

    Example:
    >>> BeamSearch(num_beams=5, num_hypotheses=3)
    BeamSearch(num_beams=5, length_penalty=0.6, num_hypotheses=3, min_length=0)

    References:
        - [Wu et al., 2016](https://arxiv.org/abs/1609.08144), Section 7.
        - [Vaswani et al., 2017](https://arxiv.org/abs/1706.03762), Section 6.1: beam 4, alpha 0.6.
    """

    def __init__(
        self,
        num_beams: int = 4,
        length_penalty: float = 0.6,
        num_hypotheses: int = 1,
        min_length: int = 0,
    ) -> None:
        super().__init__(num_beams, num_hypotheses, min_length)
        self.length_penalty = check_number("length_penalty", length_penalty)

    def step(
        self, logits: tf.Tensor, hypotheses: Hypotheses, rules: SearchRules, step: tf.Tensor
    ) -> StrategyStep:
        """Keeps the best continuations of the live hypotheses.

        Args:
            logits: float, (B, W, V). Logits for the next token of each slot.
            hypotheses: `Hypotheses` before the step.
            rules: `SearchRules`: which tokens may be chosen.
            step: int32 scalar. Number of tokens produced so far.

        Returns:
            `StrategyStep`.
        """
        size = logits.shape[2]
        k = self.num_beams if size is None else min(self.num_beams, size)
        best = best_tokens(logits, rules, step, self.min_length, k)  # of each hypothesis
        sums, parents, token_ids = self._best_continuations(best, hypotheses)

        # The r-th best continuation goes to the r-th slot without a finished hypothesis.
        free = ~hypotheses.finished  # (B, W)
        rank = tf.cumsum(tf.cast(free, tf.int32), axis=1, exclusive=True)  # (B, W)
        sums = _take(sums, rank)
        token_ids = _take(token_ids, rank)
        parents = tf.where(free, _take(parents, rank), tf.range(self.num_beams))

        moved = hypotheses._replace(token_ids=_take(hypotheses.token_ids, parents))  # (B, W, T)
        moved = moved.extend(
            token_ids,
            sums,
            extended=free & (sums > -float("inf")),
            truncated=_take(best.cut_short, parents),
            step=step,
            end_token_id=rules.end_token_id,
        )
        undecided = ~self._is_decided(moved, rules, step)  # (B,)
        moved = moved._replace(alive=moved.alive & undecided[:, tf.newaxis])
        return StrategyStep(moved, token_ids, parents)

    def scores(self, hypotheses: Hypotheses) -> tf.Tensor:
        """Returns the log-probabilities divided by the length penalty.

        Args:
            hypotheses: `Hypotheses`.

        Returns:
            float32, (B, W). Meaningless where a slot is not finished.
        """
        return hypotheses.log_probabilities / self._penalty(hypotheses.num_tokens)

    def _penalty(self, num_tokens: tf.Tensor) -> tf.Tensor:
        return penalty_of_length(num_tokens, self.length_penalty)

    def _best_continuations(
        self, best: BestTokens, hypotheses: Hypotheses
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns sums, parents and tokens of the W best pairs of hypothesis and token, best first.

        The W best of all pairs are among the W best of each hypothesis. Pairs that do not exist (an
        empty slot, a token that is not allowed) have the sum minus infinity.
        """
        before = tf.where(hypotheses.alive, hypotheses.log_probabilities, -float("inf"))  # (B, W)
        sums = before[:, :, tf.newaxis] + best.log_probabilities  # (B, W, k)
        k = sums.shape[2]
        sums = tf.reshape(sums, [-1, self.num_beams * k])  # (B, W * k)
        token_ids = tf.reshape(best.token_ids, [-1, self.num_beams * k])
        sums, pairs = tf.math.top_k(sums, k=self.num_beams)  # (B, W)
        return sums, pairs // k, _take(token_ids, pairs)

    def _is_decided(self, hypotheses: Hypotheses, rules: SearchRules, step: tf.Tensor) -> tf.Tensor:
        """Returns where no live hypothesis can enter the N best (proof above). bool, (B,)."""
        minus_infinity = -float("inf")
        finished = tf.where(hypotheses.finished, self.scores(hypotheses), minus_infinity)  # (B, W)
        nth_best = tf.math.top_k(finished, k=self.num_hypotheses).values[:, -1]  # (B,)
        alive = tf.where(hypotheses.alive, hypotheses.log_probabilities, minus_infinity)
        # `step + 1` tokens have been produced by now, so `step + 2` is the shortest length to come.
        best_length = rules.length_limits if self.length_penalty >= 0 else step + 2
        return nth_best >= tf.reduce_max(alive, axis=1) / self._penalty(best_length)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments.

        Returns:
            dict.
        """
        return {
            "num_beams": self.num_beams,
            "length_penalty": self.length_penalty,
            "num_hypotheses": self.num_hypotheses,
            "min_length": self.min_length,
        }


def _take(values: tf.Tensor, slots: tf.Tensor) -> tf.Tensor:
    """Takes the given slots of each sentence: (B, W, ...) and (B, W) -> (B, W, ...)."""
    return tf.gather(values, slots, axis=1, batch_dims=1)
