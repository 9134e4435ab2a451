"""The hypotheses of a search while it runs, as the graph reads and writes them."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass
class Beams:
    """The W slots of B sentences; each holds a hypothesis that is alive or finished, or none.

    The fields are those of `keras_attn.decoding.hypotheses.Hypotheses`.

    Args:
        token_ids: int32, (B, W, T). Tokens so far, then padding.
        log_probabilities: float32, (B, W). Sum over the tokens so far.
        num_tokens: int32, (B, W). Length of finished hypotheses, end token included.
        alive, finished, truncated: bool, (B, W).
        scores: float32, (B, W). What finished hypotheses are ranked by.
    """

    token_ids: np.ndarray
    log_probabilities: np.ndarray
    num_tokens: np.ndarray
    alive: np.ndarray
    finished: np.ndarray
    truncated: np.ndarray
    scores: np.ndarray

    @classmethod
    def start(cls, num_sentences: int, num_beams: int, max_length: int) -> Beams:
        """One empty hypothesis for each sentence, alive in the first slot."""
        shape = (num_sentences, num_beams)
        alive = np.zeros(shape, bool)
        alive[:, 0] = True
        return cls(
            token_ids=np.zeros((*shape, max_length), np.int32),
            log_probabilities=np.zeros(shape, np.float32),
            num_tokens=np.zeros(shape, np.int32),
            alive=alive,
            finished=np.zeros(shape, bool),
            truncated=np.zeros(shape, bool),
            scores=np.zeros(shape, np.float32),
        )

    def best(self, row: int, num_hypotheses: int) -> list[int]:
        """The slots of the best finished hypotheses of a sentence, best first."""
        slots = np.flatnonzero(self.finished[row])
        order = np.argsort(-self.scores[row, slots], kind="stable")
        return slots[order][:num_hypotheses].tolist()
