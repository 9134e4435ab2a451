"""Greedy search: the most probable token at every step."""

import tensorflow as tf

from keras_attn.decoding.single_path_search import SinglePathSearch


class GreedySearch(SinglePathSearch):
    """Takes the most probable token at every step; of equal ones, the one with the lowest id.

    The score is the log-probability. `BeamSearch(num_beams=1)` finds the same tokens; this class
    skips the ranking and the reordering of caches.

    Args:
        min_length: int. Tokens required before the end token. Defaults to `0`.

    Example:
    >>> logits = tf.constant([[0.0, 0.0, 0.0, 1.0, 3.0]])
    >>> GreedySearch().choose(logits, allowed=logits < 2.0, step=tf.constant(0)).numpy().tolist()
    [3]
    """

    def choose(
        self, log_probabilities: tf.Tensor, allowed: tf.Tensor, step: tf.Tensor
    ) -> tf.Tensor:
        """Returns the most probable token that is allowed.

        Args:
            log_probabilities: float32, (B, V). The model's.
            allowed: bool, (B, V). The tokens to choose from.
            step: int32 scalar. Not used.

        Returns:
            int32, (B,).
        """
        candidates = tf.where(allowed, log_probabilities, -float("inf"))
        return tf.argmax(candidates, axis=-1, output_type=tf.int32)
