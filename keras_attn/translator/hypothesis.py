"""The result of a search as text: what each hypothesis says."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_attn.data import Tokenizer
from keras_attn.decoding import SearchResult


class Hypothesis(NamedTuple):
    """One output of a search; the fields are those of `Translation`."""

    text: str
    tokens: tuple[str, ...]
    log_probability: float
    score: float
    truncated: bool


def read_hypotheses(
    result: SearchResult, tokenizer: Tokenizer, detokenize: Callable[[tf.Tensor], tf.Tensor]
) -> list[list[Hypothesis]]:
    """Reads the hypotheses of every sentence, best first.

    Args:
        result: `SearchResult` of NumPy arrays.
        tokenizer: `Tokenizer` of the target.
        detokenize: function. The tokenizer's, or a graph of it: (B, T) ids to (B,) strings.

    Returns:
        list of lists, one for each row. Slots without a hypothesis are left out.
    """
    batch_size, num_hypotheses, length = result.token_ids.shape
    flat = tf.constant(result.token_ids.reshape(-1, length))  # (B, N, T) -> (B * N, T)
    texts = detokenize(flat).numpy().reshape(batch_size, num_hypotheses)

    def read(row: int, rank: int) -> Hypothesis:
        ids = result.token_ids[row, rank]  # (T,)
        end = int(np.argmax(ids == tokenizer.end_token_id))
        return Hypothesis(
            text=texts[row, rank].decode("utf-8"),
            tokens=tuple(tokenizer.pieces(ids[:end].tolist())),
            log_probability=float(result.log_probabilities[row, rank]),
            score=float(result.scores[row, rank]),
            truncated=bool(result.truncated[row, rank]),
        )

    is_used = result.token_ids[:, :, 0] != 0  # (B, N)
    return [
        [read(row, rank) for rank in np.flatnonzero(is_used[row]).tolist()]
        for row in range(batch_size)
    ]
