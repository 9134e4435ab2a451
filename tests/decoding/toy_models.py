"""Small random models whose every answer NumPy can check, for the tests of `keras_attn.decoding`.

What a toy model says next depends on the last two tokens, on how often each token occurred so far
and on the position. So a search that mixes up its rows or its positions gets other
probabilities than the NumPy half of this file, which reads the whole sequence again, in float64.
"""

from __future__ import annotations

import functools
import itertools
from typing import Any

import numpy as np
import tensorflow as tf

from keras_attn.decoding import UNUSED_SCORE, SearchResult

PAD, START, END = 0, 2, 3


class ToyModels:
    """One model for each sentence of a batch: some flat, some peaked, some eager to end."""

    def __init__(self, num_models: int, vocabulary_size: int, seed: int) -> None:
        random = np.random.default_rng(seed)
        size = vocabulary_size
        scale = np.resize([0.3, 1.5, 4.0], num_models)  # flat, random, peaked
        end_bias = np.resize([0.0, 2.0, 0.0, -2.0], num_models)
        tables = random.normal(size=(num_models, size, size, size)) * scale[:, None, None, None]
        tables[..., END] += end_bias[:, None, None]
        self.tables = tables.astype(np.float32)
        self.by_count = random.normal(size=(num_models, size, size), scale=0.3).astype(np.float32)
        self.by_position = random.normal(size=(num_models, size), scale=0.1).astype(np.float32)
        self.vocabulary_size = size
        self._known: dict[tuple[int, tuple[int, ...]], np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.tables)

    def state(self, rows: slice = slice(None)) -> dict[str, Any]:
        """The search's state for some of the models."""
        return toy_state(self.tables[rows], self.by_count[rows], self.by_position[rows])

    def log_probabilities(self, model: int, tokens: tuple[int, ...]) -> np.ndarray:
        """log P(next | start, tokens) of one model, (V,) float64, from the whole sequence."""
        if (model, tokens) not in self._known:
            sequence = (PAD, START, *tokens)
            logits = self.tables[model, sequence[-2], sequence[-1]].astype(np.float64)
            for token in sequence[1:]:
                logits = logits + self.by_count[model, token]
            logits = logits + len(tokens) * self.by_position[model].astype(np.float64)
            self._known[model, tokens] = logits - np.log(np.exp(logits).sum())
        return self._known[model, tokens]

    def log_probability(self, model: int, tokens: tuple[int, ...]) -> float:
        """log P of a whole sequence, its end token included."""
        return sum(
            self.log_probabilities(model, tokens[:place])[token]
            for place, token in enumerate(tokens)
        )


def toy_state(tables: Any, by_count: Any, by_position: Any) -> dict[str, Any]:
    """The search's state from the three tables of the models, arrays or tensors."""
    tables = tf.convert_to_tensor(tables)
    batch_size, size = tf.shape(tables)[0], tf.shape(tables)[1]
    return {
        "source": {"tables": tables, "by_count": by_count, "by_position": by_position},
        "rows": {
            "counts": tf.zeros([batch_size, size]),
            "previous": (tf.fill([batch_size], PAD),),
        },
        "position": 0,
    }


def toy_decode_step(token_ids: tf.Tensor, state: dict[str, Any]) -> tuple[tf.Tensor, dict]:
    """The TensorFlow half: one step, from the rows only."""
    source, rows = state["source"], state["rows"]
    last = token_ids[:, 0]  # (R,)
    batch_size = tf.shape(source["tables"])[0]
    num_beams = tf.shape(last)[0] // tf.maximum(batch_size, 1)
    sentence = tf.repeat(tf.range(batch_size), num_beams)  # (R,)
    counts = rows["counts"] + tf.one_hot(last, tf.shape(source["tables"])[1])  # (R, V)
    logits = tf.gather_nd(source["tables"], tf.stack([sentence, rows["previous"][0], last], 1))
    logits += tf.einsum("rv,rvu->ru", counts, tf.gather(source["by_count"], sentence))
    position = tf.cast(state["position"], tf.float32)
    logits += position * tf.gather(source["by_position"], sentence)
    after = {"counts": counts, "previous": (last,)}
    return logits, {"source": source, "rows": after, "position": state["position"] + 1}


def fixed_step(logits: Any) -> Any:
    """A `decode_step` that forgets: each sentence has its own logits, (B, V), at every step."""

    def decode_step(token_ids: tf.Tensor, state: dict[str, Any]) -> tuple[tf.Tensor, dict]:
        constant = tf.convert_to_tensor(logits)
        return tf.repeat(constant, tf.shape(token_ids)[0] // constant.shape[0], axis=0), state

    return decode_step


def fixed_state(batch_size: int) -> dict[str, Any]:
    """The state that goes with `fixed_step`."""
    return {"source": (), "rows": tf.zeros([batch_size, 1]), "position": 0}


def log_of(probabilities: dict[int, float], vocabulary_size: int) -> np.ndarray:
    """Logits that give these tokens these probabilities and the others (next to) none; (V,)."""
    logits = np.full(vocabulary_size, -60.0, np.float32)
    for token, probability in probabilities.items():
        logits[token] = np.log(probability)
    return logits


def penalized(log_probability: float, num_tokens: int, alpha: float) -> float:
    """The score of Wu et al. (2016), Equation 14."""
    return log_probability / ((5 + num_tokens) ** alpha / 6**alpha)


def producible(vocabulary_size: int) -> list[int]:
    """All tokens but padding, start and end."""
    return [token for token in range(vocabulary_size) if token not in (PAD, START, END)]


@functools.cache
def all_sequences(vocabulary_size: int, limit: int) -> list[tuple[int, ...]]:
    """Every sequence of at most `limit` tokens that ends with the end token."""
    return [
        (*body, END)
        for length in range(limit)
        for body in itertools.product(producible(vocabulary_size), repeat=length)
    ]


def hypotheses_of(result: SearchResult, row: int) -> list[tuple[int, ...]]:
    """The hypotheses of one sentence, without padding; an unused place gives ()."""
    return [
        tuple(int(token) for token in token_ids if token != PAD)
        for token_ids in result.token_ids.numpy()[row]
    ]


def check_result(
    models: ToyModels,
    result: SearchResult,
    limits: list[int],
    alpha: float | None,
    min_length: int = 0,
) -> None:
    """Holds every promise of `SearchResult` against NumPy, for every hypothesis of every sentence.

    `alpha` is the length penalty's exponent, or None if the score is the log-probability.
    """
    for model, limit in enumerate(limits):
        found = hypotheses_of(result, model)
        used = [tokens for tokens in found if tokens]
        assert used and found == used + [()] * (len(found) - len(used))  # unused places come last
        assert len(set(used)) == len(used)
        scores = result.scores.numpy()[model]
        assert np.all(np.diff(scores[: len(used)]) <= 0)
        for place, tokens in enumerate(found):
            log_probability = float(result.log_probabilities[model, place])
            truncated = bool(result.truncated[model, place])
            if not tokens:
                assert (log_probability, scores[place], truncated) == (
                    UNUSED_SCORE,
                    UNUSED_SCORE,
                    False,
                )
                continue
            padded = tokens + (PAD,) * (result.token_ids.shape[2] - len(tokens))
            np.testing.assert_array_equal(result.token_ids[model, place], padded)
            assert tokens.index(END) == len(tokens) - 1
            assert START not in tokens and PAD not in tokens
            assert min(min_length + 1, limit) <= len(tokens) <= limit
            true = models.log_probability(model, tokens)
            np.testing.assert_allclose(log_probability, true, rtol=1e-5, atol=1e-5)
            score = true if alpha is None else penalized(true, len(tokens), alpha)
            np.testing.assert_allclose(scores[place], score, rtol=1e-5, atol=1e-5)
            last = models.log_probabilities(model, tokens[:-1])
            other = max(last[token] for token in producible(models.vocabulary_size))
            assert truncated == (len(tokens) == limit and other > last[END])
