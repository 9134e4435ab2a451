"""Greedy search: the most probable token at every step."""

from typing import Any

import tensorflow as tf

from keras_attn.decoding.best_tokens import best_tokens
from keras_attn.decoding.hypotheses import Hypotheses
from keras_attn.decoding.search_rules import SearchRules
from keras_attn.decoding.search_strategy import SearchStrategy, StrategyStep


class GreedySearch(SearchStrategy):
    """Takes the most probable token at every step; on a tie, the one with the lowest id.

    The score is the log-probability. `BeamSearch(num_beams=1)` finds the same tokens; this class
    skips the ranking and the reordering of caches.

    Args:
        min_length: int. Tokens required before the end token. Defaults to `0`.

    Example:
    >>> GreedySearch(min_length=3)
    GreedySearch(min_length=3)
    """

    def __init__(self, min_length: int = 0) -> None:
        super().__init__(num_beams=1, num_hypotheses=1, min_length=min_length)

    def step(
        self, logits: tf.Tensor, hypotheses: Hypotheses, rules: SearchRules, step: tf.Tensor
    ) -> StrategyStep:
        """Extends every live hypothesis by its best token.

        Args:
            logits: float, (B, 1, V). Logits for the next token.
            hypotheses: `Hypotheses` before the step.
            rules: `SearchRules`: which tokens may be chosen.
            step: int32 scalar. Number of tokens produced so far.

        Returns:
            `StrategyStep`.
        """
        best = best_tokens(logits, rules, step, self.min_length, k=1)
        gain = best.log_probabilities[:, :, 0]  # (B, 1)
        token_ids = best.token_ids[:, :, 0]  # (B, 1)
        extended = hypotheses.extend(
            token_ids,
            hypotheses.log_probabilities + gain,
            extended=hypotheses.alive & (gain > -float("inf")),
            truncated=best.cut_short,
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
