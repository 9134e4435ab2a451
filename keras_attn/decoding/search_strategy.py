"""The interface between the search loop and the strategies."""

import abc
from typing import Any, NamedTuple, Self

import tensorflow as tf

from keras_attn.decoding.hypotheses import PAD_TOKEN_ID, Hypotheses
from keras_attn.decoding.search_result import UNUSED_SCORE, SearchResult
from keras_attn.decoding.search_rules import SearchRules
from keras_attn.system.argument_checks import check_integer


class StrategyStep(NamedTuple):
    """What a strategy decided at one step.

    Args:
        hypotheses: `Hypotheses` after the step.
        token_ids: int32, (B, W). The chosen tokens; meaningless where a slot is not alive.
        parents: int32, (B, W), or None. For each slot, the slot that its hypothesis was in before
            the step. None if hypotheses never move; the loop then reorders nothing.

    Example:
    >>> hypotheses = Hypotheses.start(batch_size=1, num_beams=1, max_length=5)
    >>> StrategyStep(hypotheses, token_ids=tf.constant([[4]]), parents=None).parents is None
    True
    """

    hypotheses: Hypotheses
    token_ids: tf.Tensor
    parents: tf.Tensor | None


class SearchStrategy(abc.ABC):
    """Decides which tokens extend which hypotheses; the loop itself is `search`.

    To try an idea, subclass and write `step`; override `scores` to rank by something other than the
    log-probability. Every attribute that `get_config` returns is an argument of the constructor.

    Args:
        num_beams: int. Hypotheses kept for each sentence, W.
        num_hypotheses: int. Hypotheses returned for each sentence, N, at most W.
        min_length: int. Tokens required before the end token. Defaults to `0`.

    Raises:
        ValueError: if an argument is out of range.

    Example:
    >>> class ShortestFirst(SearchStrategy):
    ...     def step(self, logits, hypotheses, rules, step):
    ...         raise NotImplementedError
    ...     def scores(self, hypotheses):
    ...         return -tf.cast(hypotheses.num_tokens, tf.float32)
    >>> ShortestFirst(num_beams=4, num_hypotheses=2).num_hypotheses
    2
    """

    def __init__(self, num_beams: int = 1, num_hypotheses: int = 1, min_length: int = 0) -> None:
        self.num_beams = check_integer("num_beams", num_beams, minimum=1)
        self.num_hypotheses = check_integer("num_hypotheses", num_hypotheses, minimum=1)
        self.min_length = check_integer("min_length", min_length, minimum=0)
        if self.num_hypotheses > self.num_beams:
            raise ValueError(
                f"`num_hypotheses` must not be greater than `num_beams`. Received: "
                f"num_hypotheses={num_hypotheses}, num_beams={num_beams}. Use more beams."
            )

    def initialize(self, batch_size: int | tf.Tensor, max_length: int | tf.Tensor) -> Hypotheses:
        """Returns the hypotheses before the first step: one empty hypothesis per sentence.

        Args:
            batch_size: int or int32 scalar, B.
            max_length: int or int32 scalar, T.

        Returns:
            `Hypotheses` with W slots.
        """
        return Hypotheses.start(batch_size, self.num_beams, max_length)

    @abc.abstractmethod
    def step(
        self, logits: tf.Tensor, hypotheses: Hypotheses, rules: SearchRules, step: tf.Tensor
    ) -> StrategyStep:
        """Extends the live hypotheses by one token.

        Args:
            logits: float, (B, W, V). Logits for the next token of each slot.
            hypotheses: `Hypotheses` before the step.
            rules: `SearchRules`: which tokens may be chosen.
            step: int32 scalar. Number of tokens produced so far.

        Returns:
            `StrategyStep`.
        """

    def scores(self, hypotheses: Hypotheses) -> tf.Tensor:
        """Returns the scores that rank finished hypotheses; here their log-probabilities.

        Args:
            hypotheses: `Hypotheses`.

        Returns:
            float32, (B, W). Meaningless where a slot is not finished.
        """
        return hypotheses.log_probabilities

    def finalize(self, hypotheses: Hypotheses) -> SearchResult:
        """Returns the best N finished hypotheses of each sentence, best first.

        Args:
            hypotheses: `Hypotheses` after the last step.

        Returns:
            `SearchResult`.
        """
        scores = tf.where(hypotheses.finished, self.scores(hypotheses), -float("inf"))  # (B, W)
        scores, slots = tf.math.top_k(scores, k=self.num_hypotheses)  # (B, N)

        def take(values: tf.Tensor) -> tf.Tensor:
            return tf.gather(values, slots, axis=1, batch_dims=1)  # (B, W, ...) -> (B, N, ...)

        used = take(hypotheses.finished)
        return SearchResult(
            token_ids=tf.where(used[:, :, tf.newaxis], take(hypotheses.token_ids), PAD_TOKEN_ID),
            log_probabilities=tf.where(used, take(hypotheses.log_probabilities), UNUSED_SCORE),
            scores=tf.where(used, scores, UNUSED_SCORE),
            truncated=take(hypotheses.truncated),
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, as plain values that JSON and TOML can hold.

        Returns:
            dict.
        """
        return {
            "num_beams": self.num_beams,
            "num_hypotheses": self.num_hypotheses,
            "min_length": self.min_length,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Builds the strategy that `get_config` described.

        Args:
            config: dict. Constructor arguments.

        Returns:
            A strategy of this class.
        """
        return cls(**config)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"
