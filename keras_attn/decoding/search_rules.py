"""Which tokens a search may choose at a step: special tokens, minimum length and length limits."""

from typing import NamedTuple

import tensorflow as tf

from keras_attn.decoding.hypotheses import PAD_TOKEN_ID


class SearchRules(NamedTuple):
    """The rules of one search, the same for every strategy.

    Rules only restrict the choice. They never change a probability: what a search reports is always
    the model's own distribution over the whole vocabulary.

    Args:
        length_limits: int32, (B,). Largest number of tokens of each sentence, end token included.
        start_token_id: int. Never produced; nor is padding (0).
        end_token_id: int. Ends a hypothesis.

    Example:
    >>> rules = SearchRules(tf.constant([5, 1]), start_token_id=2, end_token_id=3)
    >>> allowed = rules.allowed(vocabulary_size=6, step=tf.constant(0), min_length=2)
    >>> allowed[:, 0].numpy().astype(int)
    array([[0, 1, 0, 0, 1, 1],
           [0, 0, 0, 1, 0, 0]])
    """

    length_limits: tf.Tensor
    start_token_id: int
    end_token_id: int

    def at_limit(self, step: tf.Tensor) -> tf.Tensor:
        """Returns where this step's token is the last that fits.

        Args:
            step: int32 scalar. Number of tokens produced so far.

        Returns:
            bool, (B, 1).
        """
        return (step == self.length_limits - 1)[:, tf.newaxis]

    def allowed(
        self, vocabulary_size: int | tf.Tensor, step: tf.Tensor, min_length: int
    ) -> tf.Tensor:
        """Returns the tokens that may be chosen.

        Padding and the start token are never allowed. The end token is allowed after `min_length`
        other tokens. At a sentence's limit it is the only one, even before the minimum is reached.

        Args:
            vocabulary_size: int or int32 scalar, V.
            step: int32 scalar. Number of tokens produced so far.
            min_length: int. Tokens required before the end token.

        Returns:
            bool, (B, 1, V).
        """
        tokens = tf.range(vocabulary_size)  # (V,)
        is_end = tokens == self.end_token_id
        free_choice = self._producible(tokens) & (~is_end | (step >= min_length))
        return tf.where(self.at_limit(step)[:, :, tf.newaxis], is_end, free_choice)

    def token_bias(
        self, vocabulary_size: int | tf.Tensor, step: tf.Tensor, min_length: int
    ) -> tf.Tensor:
        """Returns a bias for logits that ranks forbidden tokens last.

        Unlike `allowed`, it ignores the limits, which only some sentences have reached.

        Args:
            vocabulary_size: int or int32 scalar, V.
            step: int32 scalar. Number of tokens produced so far.
            min_length: int. Tokens required before the end token.

        Returns:
            float32, (V,): 0 or minus infinity.
        """
        tokens = tf.range(vocabulary_size)  # (V,)
        bias = tf.where(self._producible(tokens), 0.0, -float("inf"))
        if not min_length:
            return bias
        without_end = tf.where(tokens == self.end_token_id, -float("inf"), bias)
        # A slice of a constant, because TensorFlow is slow to broadcast a `where`. A row of a table
        # would not do: LiteRT treats the table as an embedding and cannot quantize infinity.
        start = tf.where(step >= min_length, vocabulary_size, 0)
        return tf.slice(tf.concat([without_end, bias], axis=0), [start], [vocabulary_size])

    def special_token_ids(self) -> list[int]:
        """Returns padding, start and end: the tokens that the rules may forbid."""
        return [PAD_TOKEN_ID, self.start_token_id, self.end_token_id]

    def cut_short(self, log_probabilities: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """Returns where the limit forces the end token although another token is more probable.

        Args:
            log_probabilities: float32, (B, W, V). Of this step's tokens.
            step: int32 scalar. Number of tokens produced so far.

        Returns:
            bool, (B, W).
        """
        producible = self._producible(tf.range(tf.shape(log_probabilities)[-1]))  # (V,)
        choices = tf.where(producible, log_probabilities, -float("inf"))
        best = tf.reduce_max(choices, axis=-1)  # (B, W)
        return self.at_limit(step) & (best > log_probabilities[:, :, self.end_token_id])

    def _producible(self, tokens: tf.Tensor) -> tf.Tensor:
        return (tokens != PAD_TOKEN_ID) & (tokens != self.start_token_id)
