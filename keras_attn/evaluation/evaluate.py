"""Translates a test set and scores the translations (Section 6.1)."""

import dataclasses
import time
from collections.abc import Sequence
from typing import Any, Protocol

from keras_attn.evaluation.corpus_scores import (
    CorpusScores,
    check_score_options,
    corpus_scores,
)
from keras_attn.evaluation.reference_streams import (
    ReferenceStream,
    check_references,
    check_sentences,
)


class SupportsTranslate(Protocol):
    """Anything with `translate(texts) -> list[str]`: a `Translator`, a client, another engine.

    Example:

    >>> class Parrot:
    ...     def translate(self, texts):
    ...         return list(texts)
    >>> evaluate(Parrot(), ["Zwei Hunde rennen."], ["Zwei Hunde rennen."]).scores.chrf
    100.0
    """

    def translate(self, texts: list[str]) -> list[str]:
        """Translates each text, keeping their order."""
        ...


@dataclasses.dataclass(frozen=True)
class EvaluationReport:
    """Scores of a translated test set, the translations, counts and times.

    Attributes:
        scores: `CorpusScores`.
        translations: tuple of str. One per source sentence, in order.
        truncated: int or None. Sentences truncated at the translator's limit on source tokens or on
            target length; None if the translator does not count them.
        empty: int. Source sentences that are empty or blank.
        seconds: float. Time of the translation alone, including compilation in a first call.
        sentences_per_second: float. Number of sentences divided by `seconds`.

    Example:

    >>> class Echo:
    ...     def translate(self, texts):
    ...         return texts
    >>> report = evaluate(Echo(), ["eins zwei drei vier"], ["eins zwei drei vier"])
    >>> report.to_dict()["translations"]
    ['eins zwei drei vier']
    """

    scores: CorpusScores
    translations: tuple[str, ...]
    truncated: int | None
    empty: int
    seconds: float
    sentences_per_second: float

    def to_dict(self, translations: bool = True) -> dict[str, Any]:
        """Returns the report as one flat dictionary that `json.dumps` takes.

        Args:
            translations: bool. Whether to include the translations.

        Returns:
            dict. The entries of `CorpusScores.to_dict()` and those of this report.

        Example:

        >>> scores = corpus_scores(["a b c d"], ["a b c d"])
        >>> report = EvaluationReport(scores, ("a b c d",), 0, 0, 0.5, 2.0)
        >>> report.to_dict(translations=False)["sentences_per_second"]
        2.0
        """
        values = self.scores.to_dict()
        values["truncated"] = self.truncated
        values["empty"] = self.empty
        values["seconds"] = self.seconds
        values["sentences_per_second"] = self.sentences_per_second
        if translations:
            values["translations"] = list(self.translations)
        return values

    def lines(self) -> list[str]:
        """Returns the readable lines of the scores, then of the counts and the speed.

        Returns:
            List of str.

        Example:

        >>> scores = corpus_scores(["a b c d"], ["a b c d"])
        >>> EvaluationReport(scores, ("a b c d",), 3, 0, 0.5, 2.0).lines()[-2:]
        ['truncated sentences: 3', 'translated in 0.5 seconds (2.0 sentences per second)']
        """
        lines = self.scores.lines()
        if self.empty:
            lines.append(f"empty source sentences: {self.empty}")
        if self.truncated is None:
            lines.append("truncated sentences: unknown, the translator does not count them")
        elif self.truncated:
            lines.append(f"truncated sentences: {self.truncated}")
        lines.append(
            f"translated in {self.seconds:.1f} seconds "
            f"({self.sentences_per_second:.1f} sentences per second)"
        )
        return lines


def evaluate(
    translator: SupportsTranslate,
    sources: Sequence[str],
    references: Sequence[ReferenceStream] | Sequence[str],
    **options: Any,
) -> EvaluationReport:
    """Translates `sources` and scores the translations against `references`.

    All texts and options are checked before the translation starts.

    Args:
        translator: Object with `translate(texts) -> list[str]`. If it has a `report` after the
            call, as `Translator` does, the count of truncated sentences comes from it.
        sources: Sequence of str. The sentences to translate.
        references: As in `corpus_scores`: reference streams, or a flat sequence of str.
        **options: Options of `corpus_scores`: `target_language`, `bleu_tokenizer`, `confidence` ...

    Returns:
        `EvaluationReport`.

    Raises:
        ValueError: If the texts or the options are not valid (see `corpus_scores`), or the
            translator does not return one translation per source.

    Example:

    >>> class Dictionary:
    ...     def translate(self, texts):
    ...         return [text.replace("dog", "Hund").replace("a", "ein") for text in texts]
    >>> report = evaluate(Dictionary(), ["a dog", "dog"], ["ein Hund", "Hund"])
    >>> report.scores.chrf, report.translations
    (100.0, ('ein Hund', 'Hund'))
    """
    sources = check_sentences("sources", sources)
    streams = check_references(references, len(sources))
    check_score_options(**options)
    start = time.perf_counter()
    translations = list(translator.translate(sources))
    seconds = time.perf_counter() - start
    if len(translations) != len(sources):
        raise ValueError(
            "`translator` must return one translation per source. Received: "
            f"{len(translations)} translations of {len(sources)} sources."
        )
    report = getattr(translator, "report", None)
    truncated = getattr(report, "truncated", None)
    return EvaluationReport(
        scores=corpus_scores(translations, streams, **options),
        translations=tuple(translations),
        truncated=None if truncated is None else int(truncated),
        empty=sum(not source.strip() for source in sources),
        seconds=seconds,
        sentences_per_second=len(sources) / max(seconds, 1e-9),
    )
