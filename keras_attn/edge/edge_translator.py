"""Text to text without TensorFlow: a model exported for LiteRT."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue

import numpy as np

from keras_attn.edge.beams import Beams
from keras_attn.edge.edge_model import DECODER_FILE, EdgeModel
from keras_attn.edge.engine_translator import EngineTranslator, Found, Hypothesis

# Several threads compute the products of one sentence if the decoder is larger than this. Measured
# on 2 cores: 1.6 times as fast for the base model, but slower for the tiny one with 4 beams.
_WORTH_SHARING_BYTES = 20_000_000
# The largest number of hypotheses in a batch. The logits of more do not fit in the processor's
# caches. Measured for 800 lines and 4 beams: 12 seconds and 170 MiB with 64 hypotheses, 14 seconds
# and 970 MiB with 1,600.
_MOST_HYPOTHESES = 64
# Ended sentences leave the batch once they are more than this share of it.
_SHARE_ENDED = 0.25


class EdgeTranslator(EngineTranslator):
    """Translates lines like the `Translator` that it was exported from, with LiteRT and NumPy.

    Neither TensorFlow nor Keras is imported, so the first translation is ready in a fraction of a
    second. If there are enough lines, several threads translate one batch each.

    Args:
        directory: path. The directory that `keras-attn export --format litert` wrote.
        num_threads: int. Defaults to the number of cores.

    Attributes:
        report: `TranslationReport`. What happened to the lines of the last call.
        source_language: str or None. From the model's recipe.

    Raises:
        ValueError: if the directory is missing, incomplete or of another version.
        ImportError: if LiteRT is not installed.

    Example:

    >>> EdgeTranslator("runs/missing")
    Traceback (most recent call last):
    ValueError: `directory` must hold a model exported for LiteRT. Received: runs/missing, ...
    """

    engine = "LiteRT"
    settings_file = "litert.json"

    def __init__(self, directory: str | os.PathLike[str], num_threads: int | None = None) -> None:
        super().__init__(directory, num_threads)
        decoder = self._directory / DECODER_FILE
        is_large = decoder.is_file() and decoder.stat().st_size >= _WORTH_SHARING_BYTES
        self._threads_of_one = self._num_threads if is_large else 1
        # Idle models, by their number of threads.
        self._free: dict[int, SimpleQueue[EdgeModel]] = defaultdict(SimpleQueue)
        self._free[self._threads_of_one].put(self._load_model(self._threads_of_one))

    @classmethod
    def load(
        cls, directory: str | os.PathLike[str], num_threads: int | None = None
    ) -> EdgeTranslator:
        """The same as the constructor, named as in `Translator`."""
        return cls(directory, num_threads)

    def _load_model(self, num_threads: int) -> EdgeModel:
        longest_source = self._max_source_tokens + 1  # the end token
        return EdgeModel(self._directory, self._settings["num_beams"], longest_source, num_threads)

    def _search(self, sources: Sequence[Sequence[int]], members: list[int]) -> Iterator[Found]:
        batches = list(self._batches(sources, members))
        num_workers = min(self._num_threads, len(batches))
        num_threads = 1 if num_workers > 1 else self._threads_of_one

        def search(batch: list[int]) -> list[list[Hypothesis]]:
            try:
                model = self._free[num_threads].get_nowait()
            except Empty:
                model = self._load_model(num_threads)
            try:
                return self._search_batch(model, [sources[i] for i in batch])
            finally:
                self._free[num_threads].put(model)

        if num_workers < 2:
            yield from ((batch, search(batch)) for batch in batches)
            return
        with ThreadPoolExecutor(num_workers) as pool:
            yield from zip(batches, pool.map(search, batches), strict=True)

    def _batches(self, sources: Sequence[Sequence[int]], members: list[int]) -> Iterator[list[int]]:
        """Batches of sources of similar length, none larger than a thread's share."""
        share = -(-len(members) // self._num_threads)
        first = 0
        while first < len(members):
            most = self._settings["batch_tokens"] // len(sources[members[first]])
            rows = max(1, min(share, most, _MOST_HYPOTHESES // self._settings["num_beams"]))
            yield members[first : first + rows]
            first += rows

    def _search_batch(
        self, model: EdgeModel, sources: list[Sequence[int]]
    ) -> list[list[Hypothesis]]:
        """The hypotheses of each of the sources, best first."""
        limits = np.array([self._limit(ids) for ids in sources], np.int32)
        model.start(sources, limits, self._settings["max_target_tokens"])
        members = np.arange(len(sources))
        results: list[list[Hypothesis]] = [[] for _ in sources]
        while True:
            model.step()
            alive: np.ndarray = np.any(model.beams.alive, axis=1)
            num_ended = int(np.count_nonzero(~alive))
            if num_ended < len(alive) and num_ended <= _SHARE_ENDED * len(alive):
                continue
            for row in np.flatnonzero(~alive).tolist():
                results[members[row]] = self._read(model.beams, row)
            if num_ended == len(alive):
                return results
            kept = np.flatnonzero(alive)
            members = members[kept]
            model.keep(kept)

    def _read(self, beams: Beams, row: int) -> list[Hypothesis]:
        """The best finished hypotheses of a sentence, best first."""
        return [
            Hypothesis(
                beams.token_ids[row, slot, : beams.num_tokens[row, slot]].tolist(),
                float(beams.log_probabilities[row, slot]),
                float(beams.scores[row, slot]),
                bool(beams.truncated[row, slot]),
            )
            for slot in beams.best(row, self._settings["num_hypotheses"])
        ]
