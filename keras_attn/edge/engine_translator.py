"""Text to text without TensorFlow: what all engines share around their search."""

from __future__ import annotations

import abc
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from keras_attn.edge.edge_tokenizer import load_edge_tokenizer
from keras_attn.lines import check_texts
from keras_attn.lines.best_translation import best_translation
from keras_attn.lines.confidence import Confidence
from keras_attn.lines.special_tokens import END
from keras_attn.lines.translation import Translation, TranslationReport
from keras_attn.system.argument_checks import check_optional_integer
from keras_attn.system.processor import num_cores

FORMAT_VERSION = 1
_SETTINGS = (
    "batch_tokens",
    "max_extra_tokens",
    "max_source_tokens",
    "max_target_tokens",
    "num_beams",
    "num_hypotheses",
    "shared_tokenizer",
    "source_language",
)


class Hypothesis(NamedTuple):
    """One output of a search: ids with the end token, and the fields of `Translation`."""

    ids: list[int]
    log_probability: float
    score: float
    truncated: bool


Found = tuple[list[int], list[list[Hypothesis]]]


class EngineTranslator(abc.ABC):
    """Tokenizers, limits and report around a search, which a subclass implements.

    Args:
        directory: path. The directory that an export for the engine wrote.
        num_threads: int. Defaults to the number of cores.

    Attributes:
        report: `TranslationReport`. What happened to the lines of the last call.
        source_language: str or None. From the model's recipe.

    Raises:
        ValueError: if the directory is missing, incomplete or of another version, or a number is
            below 1.
    """

    engine: ClassVar[str]
    settings_file: ClassVar[str]

    def __init__(self, directory: str | os.PathLike[str], num_threads: int | None = None) -> None:
        check_optional_integer("num_threads", num_threads)
        self._directory = Path(directory)
        self._settings = self._read_settings()
        self._num_threads = num_threads or num_cores()
        self._max_source_tokens: int = self._settings["max_source_tokens"]
        self.source_language: str | None = self._settings["source_language"]
        self._confidence = Confidence.find(self._directory)
        self._source_tokenizer = load_edge_tokenizer(self._directory / "source_tokenizer")
        self._target_tokenizer = self._source_tokenizer
        if not self._settings["shared_tokenizer"]:
            self._target_tokenizer = load_edge_tokenizer(self._directory / "target_tokenizer")
        self.report = TranslationReport()

    def translate(self, texts: Iterable[str]) -> list[str]:
        """Translates lines; returns one translation per line, in the same order.

        Args:
            texts: strings. An empty line gives an empty line.

        Returns:
            list of str.
        """
        return [translation.text for translation in self.translate_detailed(texts)]

    def translate_detailed(self, texts: Iterable[str]) -> list[Translation]:
        """Translates lines, with tokens, scores, confidence and the other hypotheses of each.

        Args:
            texts: strings.

        Returns:
            list of `Translation`, in the order of `texts`.

        Raises:
            ValueError: if `texts` is one string, or the model's logits are NaN.
        """
        texts = check_texts("texts", texts)
        pieces = [self._source_tokenizer.tokenize(text) for text in texts]
        cut = [len(ids) > self._max_source_tokens for ids in pieces]
        sources = [[*ids[: self._max_source_tokens], END] for ids in pieces]
        certain = None if self._confidence is None else 1.0
        translations = [Translation(text, "", confidence=certain) for text in texts]
        # The longest come first, so that no thread is left with a long one at the end.
        members = [i for i, ids in enumerate(sources) if len(ids) > 1]
        members.sort(key=lambda i: -len(sources[i]))
        for batch, hypotheses in self._search(sources, members):
            for i, best_first in zip(batch, hypotheses, strict=True):
                translations[i] = self._translation(texts[i], sources[i], cut[i], best_first)
        self.report = TranslationReport(
            lines=len(texts),
            empty=len(texts) - len(members),
            truncated=sum(bool(translation.truncated) for translation in translations),
            truncated_sources=sum(cut),
        )
        return translations

    @abc.abstractmethod
    def _search(self, sources: Sequence[Sequence[int]], members: list[int]) -> Iterator[Found]:
        """Yields the indices of the sources of a batch, and the hypotheses of each, best first.

        Args:
            sources: lists of ids, end tokens included.
            members: indices of the sources that are not empty, the longest first.
        """

    def _limit(self, source: Sequence[int]) -> int:
        """The largest number of tokens of a source's translation, end token included."""
        longest = len(source) + self._settings["max_extra_tokens"]
        return min(longest, self._settings["max_target_tokens"])

    def _translation(
        self, source: str, source_ids: Sequence[int], cut: bool, best_first: list[Hypothesis]
    ) -> Translation:
        source_tokens = tuple(self._source_tokenizer.pieces(source_ids))
        found = [
            Translation(
                source=source,
                text=self._target_tokenizer.detokenize(one.ids),
                tokens=tuple(self._target_tokenizer.pieces(one.ids[:-1])),
                log_probability=one.log_probability,
                score=one.score,
                truncated=one.truncated or cut,
                source_tokens=source_tokens,
            )
            for one in best_first
        ]
        return best_translation(source, found, self._confidence)

    def _read_settings(self) -> dict[str, Any]:
        path = self._directory / self.settings_file
        if not path.is_file():
            raise ValueError(
                f"`directory` must hold a model exported for {self.engine}. Received: "
                f"{self._directory}, without {path.name}."
            )
        try:
            settings = json.loads(path.read_text(encoding="utf-8"))
            version = settings["format_version"]
            if version == FORMAT_VERSION:
                _ = [settings[name] for name in _SETTINGS]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is damaged: {error!r}. Export again.") from error
        if version != FORMAT_VERSION:
            raise ValueError(
                f"{self._directory} has format version {version}; this keras_attn reads version "
                f"{FORMAT_VERSION}. Export again."
            )
        return settings
