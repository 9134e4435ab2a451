"""Searches that keep one hypothesis per sentence and choose among all tokens."""

import abc
from typing import Any

import tensorflow as tf

from keras_attn.decoding.hypotheses import Hypotheses
from keras_attn.decoding.search_rules import SearchRules
from keras_attn.decoding.search_strategy import SearchStrategy, StrategyStep
from keras_attn.decoding.token_log_probabilities import token_log_probabilities


class SinglePathSearch(SearchStrategy):
    """Follows one hypothesis per sentence and never looks back. Subclasses write `choose`.

    Args:
        min_length: int. Tokens required before the end token. Defaults to `0`.

    Example:
    >>> class LeastProbable(SinglePathSearch):
    ...     def choose(self, log_probabilities, allowed, step):
    ...         return tf.argmin(tf.where(allowed, log_probabilities, 1.0), axis=-1)
    >>> LeastProbable(min_length=3).num_beams
    1
    """

    def __init__(self, min_length: int = 0) -> None:
        super().__init__(num_beams=1, num_hypotheses=1, min_length=min_length)

    @abc.abstractmethod
    def choose(
        self, log_probabilities: tf.Tensor, allowed: tf.Tensor, step: tf.Tensor
    ) -> tf.Tensor:
        """Chooses the next token of every sentence.

        Args:
            log_probabilities: float32, (B, V). From the model.
            allowed: bool, (B, V). The tokens to choose from; at least one in every row.
            step: int32 scalar. Number of tokens produced so far.

        Returns:
            int, (B,).
        """

    def step(
        self, logits: tf.Tensor, hypotheses: Hypotheses, rules: SearchRules, step: tf.Tensor
    ) -> StrategyStep:
        """Extends every live hypothesis by the token that `choose` returns.

        Args:
            logits: float, (B, 1, V). Logits for the next token.
            hypotheses: `Hypotheses` before the step.
            rules: `SearchRules`: which tokens may be chosen.
            step: int32 scalar. Number of tokens produced so far.

        Returns:
            `StrategyStep`.
        """
        log_probabilities = token_log_probabilities(logits)  # (B, 1, V)
        allowed = rules.allowed(tf.shape(logits)[-1], step, self.min_length)  # (B, 1, V)
        chosen = self.choose(log_probabilities[:, 0], allowed[:, 0], step)  # (B,)
        token_ids = tf.cast(chosen, tf.int32)[:, tf.newaxis]  # (B, 1)
        gain = tf.gather(log_probabilities, token_ids, axis=2, batch_dims=2)  # (B, 1)
        extended = hypotheses.extend(
            token_ids,
            hypotheses.log_probabilities + gain,
            extended=hypotheses.alive & (gain > -float("inf")),
            truncated=rules.cut_short(log_probabilities, step),
            step=step,
            end_token_id=rules.end_token_id,
        )
        return StrategyStep(extended, token_ids, parents=None)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments.

        Returns:
            dict.
        """
        return {"min_length": self.min_length}
