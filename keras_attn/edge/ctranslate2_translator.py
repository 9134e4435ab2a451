"""Text to text without TensorFlow: a model exported for CTranslate2, the engine for bulk text."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from typing import Any

from keras_attn.edge.edge_tokenizer import EdgeTokenizer
from keras_attn.edge.engine_translator import EngineTranslator, Found, Hypothesis
from keras_attn.lines.special_tokens import END, SPECIAL_PIECES, UNKNOWN
from keras_attn.system.argument_checks import check_optional_integer

MODEL_DIRECTORY = "model"


class CTranslate2Translator(EngineTranslator):
    """Translates lines with CTranslate2 and the tokenizers, limits and ranking of the export.

    The search is CTranslate2's. It is asked for all hypotheses of its beam, which are then ranked
    by log P(Y) / lp(Y), as by `BeamSearch`; one that reaches its length limit is given the end
    token, and scored again with it. A few translations differ from those of `Translator`,
    because CTranslate2 ends its search by a different rule.

    Args:
        directory: path. The directory that `keras_attn.interop.export_ctranslate2_engine` wrote.
        num_threads: int. Defaults to the number of cores.
        num_beams: int. Defaults to None: as the model was exported.

    Attributes:
        report: `TranslationReport`. What happened to the lines of the last call.
        source_language: str or None. From the model's recipe.

    Raises:
        ValueError: if the directory is missing, incomplete or of another version.
        ImportError: if CTranslate2 is not installed.

    Example:

    >>> CTranslate2Translator("runs/missing")
    Traceback (most recent call last):
    ValueError: `directory` must hold a model exported for CTranslate2. Received: ...
    """

    engine = "CTranslate2"
    settings_file = "engine.json"

    def __init__(
        self,
        directory: str | os.PathLike[str],
        num_threads: int | None = None,
        num_beams: int | None = None,
    ) -> None:
        check_optional_integer("num_beams", num_beams)
        super().__init__(directory, num_threads)
        try:
            import ctranslate2
        except ImportError as error:
            raise ImportError(
                'CTranslate2 is not installed: pip install "keras_attn[ctranslate2]"'
            ) from error
        self._num_beams: int = num_beams or self._settings["num_beams"]
        self._target_ids = _ids_by_piece(self._target_tokenizer)
        model = str(self._directory / MODEL_DIRECTORY)
        try:
            self._engine = ctranslate2.Translator(
                model, device="cpu", inter_threads=self._num_threads, intra_threads=1
            )
        except (RuntimeError, ValueError) as error:
            raise ValueError(
                f"{model} is incomplete or damaged ({error}). Delete {self._directory}, and export "
                "again."
            ) from error

    def _search(self, sources: Sequence[Sequence[int]], members: list[int]) -> Iterator[Found]:
        # CTranslate2 takes one length limit per call, and ours depends on the length of the source.
        # So each call has sources of one length. Its threads work on many calls at the same time.
        waiting = []
        for _, group in itertools.groupby(members, key=lambda i: len(sources[i])):
            batch = list(group)
            limit = self._limit(sources[batch[0]])
            # CTranslate2 appends the end token itself.
            pieces = [self._pieces(sources[i][:-1]) for i in batch]
            futures = self._engine.translate_batch(
                pieces,
                beam_size=self._num_beams,
                num_hypotheses=self._num_beams,
                length_penalty=0,
                min_decoding_length=self._settings["min_length"],
                max_decoding_length=limit,
                max_input_length=0,
                max_batch_size=self._settings["batch_tokens"],
                batch_type="tokens",
                return_scores=True,
                asynchronous=True,
            )
            waiting.append((batch, pieces, limit, futures))
        for batch, pieces, limit, futures in waiting:
            results = [future.result() for future in futures]
            ended = self._score_forced_ends(pieces, results, limit)
            yield (
                batch,
                [self._read(result, limit, ended.get(i, {})) for i, result in enumerate(results)],
            )

    def _pieces(self, token_ids: Sequence[int]) -> list[str]:
        pieces = self._source_tokenizer.pieces(token_ids)
        return [
            SPECIAL_PIECES[i] if i <= END else piece
            for i, piece in zip(token_ids, pieces, strict=True)
        ]

    def _score_forced_ends(
        self, sources: list[list[str]], results: list[Any], limit: int
    ) -> dict[int, dict[int, float]]:
        """Log-probabilities of hypotheses that the limit cuts, with the end token as their last.

        CTranslate2 cuts them without an end token, and its scores are those of other tokens.

        Returns:
            dict of row to dict of hypothesis to log-probability.
        """
        cut = [
            (row, i)
            for row, result in enumerate(results)
            for i, pieces in enumerate(result.hypotheses)
            if len(pieces) >= limit
        ]
        scored: dict[int, dict[int, float]] = {row: {} for row, _ in cut}
        if cut:
            found = self._engine.score_batch(
                [sources[row] for row, _ in cut],
                [results[row].hypotheses[i][: limit - 1] for row, i in cut],
                max_input_length=0,
                max_batch_size=self._settings["batch_tokens"],
                batch_type="tokens",
            )
            for (row, i), one in zip(cut, found, strict=True):
                scored[row][i] = sum(one.log_probs)
        return scored

    def _read(self, result: Any, limit: int, ended: dict[int, float]) -> list[Hypothesis]:
        """The best hypotheses of a sentence by our ranking, best first."""
        found = []
        for i, (pieces, score) in enumerate(zip(result.hypotheses, result.scores, strict=True)):
            log_probability = ended.get(i, score)
            ids = [self._target_ids.get(piece, UNKNOWN) for piece in pieces]
            truncated = len(ids) >= limit
            ids = [*ids[: limit - 1], END]
            score = log_probability / self._penalty(len(ids))
            found.append(Hypothesis(ids, log_probability, score, truncated))
        found.sort(key=lambda one: -one.score)
        return found[: self._settings["num_hypotheses"]]

    def _penalty(self, num_tokens: int) -> float:
        return ((5 + num_tokens) / 6) ** self._settings["length_penalty"]


def _ids_by_piece(tokenizer: EdgeTokenizer) -> dict[str, int]:
    pieces = tokenizer.pieces(range(tokenizer.vocabulary_size))
    pieces[: len(SPECIAL_PIECES)] = SPECIAL_PIECES
    return {piece: i for i, piece in enumerate(pieces)}
