"""A beam as wide as all short sequences, against all of them tried one by one."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from keras_attn.decoding import BeamSearch, search

Inputs = dict[str, np.ndarray]


def check_exhaustive_search(
    model: Any, log_probabilities: Callable[[Inputs], np.ndarray], compiled: bool
) -> None:
    """Asserts that a search finds all sequences of a model of 5 tokens, best first.

    Args:
        model: Seq2SeqModel with a shared vocabulary of 5.
        log_probabilities: function of the inputs: (B, T, V), computed without the search.
        compiled: bool. Whether XLA compiles the search.
    """
    # 1 + 2 + 4 sequences of at most three tokens out of {1, 4, 5}, of which the last is the end.
    limit = 3
    source = np.array([[4, 1, 3, 0], [1, 1, 4, 3], [4, 3, 0, 0], [1, 4, 4, 3]], "int32")
    sequences = [
        (*body, 3) for length in range(limit) for body in itertools.product((1, 4), repeat=length)
    ]
    strategy = BeamSearch(num_beams=8, length_penalty=0.0, num_hypotheses=len(sequences))

    def run(ids: np.ndarray) -> Any:
        return search(model.decode_step, model.start(ids, limit, 8), strategy, limit)

    result = tf.function(run, jit_compile=True)(source) if compiled else run(source)
    for row, ids in enumerate(source):
        scored = []
        for tokens in sequences:
            targets = np.array([[2, *tokens[:-1]]], "int32")
            inputs = {"encoder_token_ids": ids[None], "decoder_token_ids": targets}
            chosen = log_probabilities(inputs)[0, range(len(tokens)), list(tokens)]
            scored.append((float(chosen.sum()), tokens))
        scored.sort(reverse=True)
        found = [tuple(x[x != 0].tolist()) for x in result.token_ids[row].numpy()]
        np.testing.assert_allclose(result.scores[row], [one for one, _ in scored], atol=1e-5)
        assert found == [tokens for _, tokens in scored]
