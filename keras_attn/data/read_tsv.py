"""Reads a corpus from one text file whose columns are separated by tabs."""

import os
from pathlib import Path

from keras_attn.data.corpus import Corpus, CorpusError
from keras_attn.data.describe_segments import describe_segments
from keras_attn.data.read_text_pair import read_corpus_lines


def read_tsv(
    path: str | os.PathLike,
    source_column: int = 0,
    target_column: int = 1,
    name: str | None = None,
    source_language: str = "",
    target_language: str = "",
) -> Corpus:
    r"""Reads two columns of a UTF-8 file of tab-separated values, one pair per line.

    Quotation marks are ordinary text: there is no quoting, and no header. Other columns are
    ignored. `Corpus.notes` counts the lines whose number of columns differs from the first line's.

    Args:
        path: path. The file.
        source_column: int. The column of the source segments, counted from 0.
        target_column: int. The column of the target segments, counted from 0.
        name: str. The name of the corpus in reports; by default the file's name without its last
            suffix.
        source_language: str. A language code such as `"en"`, if known.
        target_language: str. A language code such as `"de"`, if known.

    Returns:
        A `Corpus`.

    Raises:
        ValueError: a column is negative, or both are the same.
        CorpusError: the file is missing, empty or not UTF-8, or a line has too few columns.

    Example:

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "animals.tsv")
    >>> _ = path.write_text("1\ta dog\tein Hund\n2\ta cat\teine Katze\n", encoding="utf-8")
    >>> list(read_tsv(path, source_column=1, target_column=2))
    [('a dog', 'ein Hund'), ('a cat', 'eine Katze')]
    """
    if min(source_column, target_column) < 0 or source_column == target_column:
        raise ValueError(
            "`source_column` and `target_column` must be two different columns, counted from 0. "
            f"Received: {source_column} and {target_column}."
        )
    rows = [line.split("\t") for line in read_corpus_lines(path)]
    if not rows:
        raise CorpusError(f"`path` must have at least one line. Received: {path}, which is empty.")
    needed = max(source_column, target_column) + 1
    short = [number for number, row in enumerate(rows, start=1) if len(row) < needed]
    if short:
        raise CorpusError(
            f"`path` must have at least {needed} columns, separated by tabs, in every line. "
            f"Received: {path}, where line {short[0]:,} has {len(rows[short[0] - 1])} "
            f"({len(short):,} such lines in total). Fix the file, or choose other columns "
            "(`source_column` and `target_column`, from 0; `--columns` on the command line, from "
            "1)."
        )
    sources = [row[source_column] for row in rows]
    targets = [row[target_column] for row in rows]
    return Corpus(
        sources=sources,
        targets=targets,
        name=name or Path(path).stem,
        source_language=source_language,
        target_language=target_language,
        notes=(*describe_segments(sources, targets), *_describe_columns(rows)),
    )


def _describe_columns(rows: list[list[str]]) -> tuple[str, ...]:
    """A note on lines whose number of columns differs from the first line's, if there are any."""
    other = [number for number, row in enumerate(rows, start=1) if len(row) != len(rows[0])]
    if not other:
        return ()
    verb = "line has" if len(other) == 1 else "lines have"
    return (
        f"{len(other):,} {verb} a different number of columns than line 1, which has "
        f"{len(rows[0])} (first: {other[0]:,}).",
    )
