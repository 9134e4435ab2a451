"""Random sampling, with temperature, top-k (Fan et al., 2018) and top-p (Holtzman et al., 2020)."""

from typing import Any

import numpy as np
import tensorflow as tf

from keras_attn.decoding.single_path_search import SinglePathSearch
from keras_attn.decoding.token_log_probabilities import IMPOSSIBLE_LOG_PROBABILITY
from keras_attn.system.argument_checks import check_integer, check_number

LARGEST_SEED: int = 2**63 - 1


class RandomSampling(SinglePathSearch):
    """Draws every token at random from the model's distribution, optionally sharpened and cut.

    In this order: tokens that the rules forbid, or the model rules out, are left out; the logits
    are divided by `temperature`; the `top_k` most probable tokens are kept; of these, renormalized,
    the smallest set whose probabilities sum to at least `top_p` is kept (always at least one
    token); one token is drawn from what is left.

    The log-probability reported is the model's (temperature 1, full vocabulary), not that of the
    cut distribution, so that it can be compared across strategies and with forced scoring.

    The numbers drawn depend only on `seed`, the step and the row in the batch. So the same call
    gives the same result, eagerly, in a graph and under XLA. Two equal sentences in one
    batch are sampled independently.

    `top_p` without `top_k` sorts the whole vocabulary at every step, which can cost more than a
    small model's step; with a `top_k` of, say, 100, only those are sorted.

    Args:
        temperature: float > 0. Below 1 sharpens, above 1 flattens. Defaults to `1.0`.
        top_k: int. Number of tokens to sample from; `0` means all. Defaults to `0`.
        top_p: float in (0, 1]. Probability mass to sample from. Defaults to `1.0`, all.
        seed: int. Defaults to `0`.
        min_length: int. Tokens required before the end token. Defaults to `0`.

    Raises:
        ValueError: if an argument is out of range.

    Example:
    >>> sampling = RandomSampling(temperature=0.8, top_k=10, seed=7)
    >>> log_probabilities = tf.math.log([[0.0, 0.0, 0.0, 1.0]])
    >>> sampling.choose(log_probabilities, allowed=log_probabilities > -1, step=0).numpy().tolist()
    [3]

    References:
        - [Fan et al., 2018](https://arxiv.org/abs/1805.04833), Section 5.4.
        - [Holtzman et al., 2020](https://arxiv.org/abs/1904.09751), Section 3.1.
    """

    def __init__(
        self,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int = 0,
        min_length: int = 0,
    ) -> None:
        super().__init__(min_length=min_length)
        self.temperature = check_number("temperature", temperature)
        self.top_k = check_integer("top_k", top_k, minimum=0)
        self.top_p = check_number("top_p", top_p)
        self.seed = check_integer("seed", seed, minimum=0)
        if self.temperature <= 0:
            raise ValueError(
                f"`temperature` must be greater than 0. Received: {temperature!r}. "
                "For the most probable token use GreedySearch."
            )
        if not 0 < self.top_p <= 1:
            raise ValueError(f"`top_p` must be in (0, 1]. Received: {top_p!r}.")
        if self.seed > LARGEST_SEED:
            raise ValueError(f"`seed` must be less than 2 ** 63. Received: {seed!r}.")

    def choose(
        self, log_probabilities: tf.Tensor, allowed: tf.Tensor, step: tf.Tensor
    ) -> tf.Tensor:
        """Draws one token for every sentence.

        Args:
            log_probabilities: float32, (B, V). From the model.
            allowed: bool, (B, V). The tokens to choose from.
            step: int32 scalar. Number of tokens produced so far; part of the random seed.

        Returns:
            int32, (B,).
        """
        candidates = tf.where(
            _possible(log_probabilities, allowed), log_probabilities, -float("inf")
        )
        if not self.top_k and self.top_p == 1.0:
            return self._draw(self._sharpen(candidates), step)
        size = log_probabilities.shape[-1] or tf.shape(log_probabilities)[-1]
        kept = tf.minimum(self.top_k, size) if self.top_k else size
        candidates, token_ids = tf.math.top_k(candidates, k=kept)  # (B, kept), best first
        candidates = self._keep_top_p(self._sharpen(candidates))
        indices = self._draw(candidates, step)  # (B,)
        return tf.gather(token_ids, indices, axis=1, batch_dims=1)

    def _sharpen(self, logits: tf.Tensor) -> tf.Tensor:
        """Logits minus the largest, divided by the temperature: no quotient exceeds 0. (B, V)."""
        most = tf.maximum(tf.reduce_max(logits, axis=-1, keepdims=True), tf.float32.min)
        # Beyond the range of float32 it would be 0 or infinite.
        temperature = np.clip(self.temperature, np.finfo(np.float32).tiny, tf.float32.max)
        return (logits - most) / float(temperature)

    def _keep_top_p(self, sorted_logits: tf.Tensor) -> tf.Tensor:
        """Sets tokens beyond the first `top_p` of the mass to minus infinity. (B, kept)."""
        mass_before = tf.cumsum(tf.nn.softmax(sorted_logits), axis=-1, exclusive=True)
        # The first token has no mass before it, so it is always kept.
        return tf.where(mass_before < self.top_p, sorted_logits, -float("inf"))

    def _draw(self, logits: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """Draws from softmax(logits), (B, V): argmax(logits - log(-log(uniform))) (Gumbel)."""
        # Random bits are the same with and without XLA; the uniform floats made from them are not.
        bits = tf.random.stateless_uniform(
            tf.shape(logits),
            seed=tf.stack([tf.constant(self.seed, tf.int64), tf.cast(step, tf.int64)]),
            minval=None,
            dtype=tf.uint32,
            alg="philox",
        )
        bits = tf.cast(tf.bitwise.right_shift(bits, tf.constant(9, tf.uint32)), tf.float32)
        uniform = (bits + 0.5) / 2.0**23  # strictly between 0 and 1, so both logarithms are finite
        noise = -tf.math.log(-tf.math.log(uniform))
        return tf.argmax(logits + noise, axis=-1, output_type=tf.int32)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments.

        Returns:
            dict.
        """
        return {
            "temperature": self.temperature,
            "top_k": self.top_k,
            "top_p": self.top_p,
            "seed": self.seed,
            **super().get_config(),
        }


def _possible(log_probabilities: tf.Tensor, allowed: tf.Tensor) -> tf.Tensor:
    """The allowed tokens that the model does not rule out, or all allowed ones if it does: (B, V).

    A high temperature would make the difference to a token that is ruled out too small to matter.
    """
    # Masks of about -1e9 are not exactly the constant after the softmax.
    possible = allowed & (log_probabilities > 0.5 * IMPOSSIBLE_LOG_PROBABILITY)
    return tf.where(tf.reduce_any(possible, axis=-1, keepdims=True), possible, allowed)
