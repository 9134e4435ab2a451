"""A corpus: pairs of segments, source and target, in memory and aligned by position."""

import dataclasses
from collections.abc import Iterator

from keras_attn.lines import check_texts


class CorpusError(ValueError):
    """A corpus cannot be read: a file is missing or is not text, or the two sides do not match.

    It is a `ValueError`, so code that catches those need not import this package. Its message is
    one line that names the file, the line number if there is one, and what to do about it.

    Example:

    >>> from keras_attn.data import Corpus, CorpusError
    >>> try:
    ...     Corpus(sources=["one", "two"], targets=["eins"], name="numbers")
    ... except CorpusError as error:
    ...     print(str(error).split(":")[0])
    `sources` and `targets` of corpus 'numbers' must pair up line by line
    """


@dataclasses.dataclass(frozen=True)
class Corpus:
    """Pairs of segments of two languages, as the readers of this package return them.

    Segment number i of `sources` is translated by segment number i of `targets`. The text is kept
    as it was read: empty segments, and blanks at either end, are still there. `notes` says what a
    reader noticed about them, and `training_pipeline` counts what it filters.

    Args:
        sources: sequence of str. The segments of the source language. Kept as a tuple.
        targets: sequence of str. The segments of the target language. Kept as a tuple.
        name: str. The name of this corpus in reports.
        source_language: str. A language code such as `"en"`; empty if unknown.
        target_language: str. A language code such as `"de"`; empty if unknown.
        notes: sequence of str. What a reader noticed, one sentence each. Kept as a tuple.

    Raises:
        CorpusError: the two sides differ in length, or one of them is a single string.

    Example:

    >>> corpus = Corpus(["a dog", "a cat"], ["ein Hund", "eine Katze"], name="animals")
    >>> len(corpus)
    2
    >>> for source, target in corpus.take(1):
    ...     print(source, "->", target)
    a dog -> ein Hund
    """

    sources: tuple[str, ...] | list[str]
    targets: tuple[str, ...] | list[str]
    name: str = "corpus"
    source_language: str = ""
    target_language: str = ""
    notes: tuple[str, ...] | list[str] = ()

    def __post_init__(self) -> None:
        for field in ("sources", "targets", "notes"):
            value = getattr(self, field)
            try:
                object.__setattr__(self, field, tuple(check_texts(field, value)))
            except ValueError as error:
                raise CorpusError(str(error)) from error
        if len(self.sources) != len(self.targets):
            raise CorpusError(
                f"`sources` and `targets` of corpus {self.name!r} must pair up line by line: "
                f"both must have the same length. Received: {len(self.sources)} sources and "
                f"{len(self.targets)} targets."
            )

    def __len__(self) -> int:
        """The number of pairs."""
        return len(self.sources)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """The pairs `(source, target)` in order."""
        return zip(self.sources, self.targets, strict=True)

    def take(self, num_pairs: int) -> "Corpus":
        """The first `num_pairs` pairs, or all pairs if there are fewer.

        The notes are left out, because they describe the whole corpus.

        Args:
            num_pairs: int. How many pairs to take; zero or more.

        Returns:
            A `Corpus` of the same name and languages.

        Raises:
            ValueError: `num_pairs` is negative.

        Example:

        >>> len(Corpus(["a", "b", "c"], ["x", "y", "z"]).take(2))
        2
        """
        if num_pairs < 0:
            raise ValueError(f"`num_pairs` must be zero or more. Received: {num_pairs}.")
        return dataclasses.replace(
            self, sources=self.sources[:num_pairs], targets=self.targets[:num_pairs], notes=()
        )


def group_references(corpus: Corpus) -> tuple[list[str], list[list[str | None]]]:
    """Gathers the translations of each distinct source, for scores with several references.

    A test set may hold a source line several times, each time with a different translation. Then
    every distinct source should be translated once and compared with all its references.

    Args:
        corpus: `Corpus`. The pairs; the same source may occur in several.

    Returns:
        `(sources, references)`. `sources` holds each distinct source once, in the order of first
        appearance. `references` is a list of reference streams, each as long as `sources`:
        `references[r][i]` is translation number r of source i, counted from 0, or `None` if source
        i has no such translation. sacreBLEU takes this format. Equal translations count once.

    Example:

    >>> corpus = Corpus(["hello", "bye", "hello"], ["hallo", "tschüss", "guten Tag"])
    >>> sources, references = group_references(corpus)
    >>> sources
    ['hello', 'bye']
    >>> references
    [['hallo', 'tschüss'], ['guten Tag', None]]
    """
    translations: dict[str, dict[str, None]] = {}
    for source, target in corpus:
        translations.setdefault(source, {})[target] = None
    num_streams = max((len(found) for found in translations.values()), default=0)
    streams: list[list[str | None]] = [[] for _ in range(num_streams)]
    for found in translations.values():
        padded = [*found, *[None] * (num_streams - len(found))]
        for stream, reference in zip(streams, padded, strict=True):
            stream.append(reference)
    return list(translations), streams
