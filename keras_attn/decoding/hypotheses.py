"""The hypotheses of a search while it runs."""

from typing import NamedTuple

import tensorflow as tf

PAD_TOKEN_ID: int = 0


class Hypotheses(NamedTuple):
    """The W slots of every sentence. A slot holds at most one hypothesis.

    A slot is alive while its hypothesis is being extended. It is finished once its hypothesis has
    received the end token; the hypothesis then stays there until the search ends. Otherwise the
    slot is empty.

    Args:
        token_ids: int32, (B, W, T). Tokens produced so far, then padding.
        log_probabilities: float32, (B, W). Sum over the tokens produced.
        num_tokens: int32, (B, W). Length of the finished hypotheses, end token included; 0
            elsewhere.
        alive: bool, (B, W).
        finished: bool, (B, W).
        truncated: bool, (B, W). True where the length limit forced the end token.

    Example:
    >>> Hypotheses.start(batch_size=1, num_beams=3, max_length=5).alive.numpy().tolist()
    [[True, False, False]]
    """

    token_ids: tf.Tensor
    log_probabilities: tf.Tensor
    num_tokens: tf.Tensor
    alive: tf.Tensor
    finished: tf.Tensor
    truncated: tf.Tensor

    @classmethod
    def start(
        cls, batch_size: int | tf.Tensor, num_beams: int, max_length: int | tf.Tensor
    ) -> "Hypotheses":
        """Returns one empty hypothesis per sentence, alive in the first slot.

        Only one slot is alive at first: W copies of the same empty hypothesis would fill the beam
        with W copies of the same continuation.

        Args:
            batch_size: int or int32 scalar, B.
            num_beams: int, W.
            max_length: int or int32 scalar, T.

        Returns:
            `Hypotheses`.
        """
        nothing = tf.zeros([batch_size, num_beams], tf.bool)  # (B, W)
        return cls(
            token_ids=tf.fill([batch_size, num_beams, max_length], PAD_TOKEN_ID),  # (B, W, T)
            log_probabilities=tf.zeros([batch_size, num_beams], tf.float32),
            num_tokens=tf.zeros([batch_size, num_beams], tf.int32),
            alive=nothing | (tf.range(num_beams) == 0),
            finished=nothing,
            truncated=nothing,
        )

    def extend(
        self,
        token_ids: tf.Tensor,
        log_probabilities: tf.Tensor,
        extended: tf.Tensor,
        truncated: tf.Tensor,
        step: tf.Tensor,
        end_token_id: int,
    ) -> "Hypotheses":
        """Appends one token to some hypotheses; those that receive the end token are finished.

        Args:
            token_ids: int32, (B, W). The new tokens.
            log_probabilities: float32, (B, W). The new sums.
            extended: bool, (B, W). Where there is a new token. A slot that is neither extended nor
                finished becomes empty.
            truncated: bool, (B, W). Where the new token, if it is the end token, was forced.
            step: int32 scalar. Number of tokens produced before this one.
            end_token_id: int.

        Returns:
            `Hypotheses` of the next step.
        """
        # A one-hot `where` writes the token: the same eagerly, in a plain graph and under XLA.
        here = tf.range(tf.shape(self.token_ids)[2]) == step  # (T,)
        write = extended[:, :, tf.newaxis] & here  # (B, W, T)
        ended = extended & (token_ids == end_token_id)  # (B, W)
        return Hypotheses(
            token_ids=tf.where(write, token_ids[:, :, tf.newaxis], self.token_ids),
            log_probabilities=tf.where(extended, log_probabilities, self.log_probabilities),
            num_tokens=tf.where(ended, step + 1, self.num_tokens),
            alive=extended & ~ended,
            finished=self.finished | ended,
            truncated=tf.where(ended, truncated, self.truncated),
        )
