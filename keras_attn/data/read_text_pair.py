"""Reads a corpus from two text files, aligned by line."""

import os
from pathlib import Path

from keras_attn.data.corpus import Corpus, CorpusError
from keras_attn.data.describe_segments import describe_segments
from keras_attn.lines import read_lines


def read_text_pair(
    source_path: str | os.PathLike,
    target_path: str | os.PathLike,
    name: str | None = None,
    source_language: str = "",
    target_language: str = "",
) -> Corpus:
    """Reads two UTF-8 text files whose lines translate each other, line by line.

    A file may be compressed by gzip, xz or bzip2. Nothing is dropped or trimmed. `Corpus.notes`
    counts odd pairs, such as those with an empty side.

    Args:
        source_path: path. The file of the source language.
        target_path: path. The file of the target language.
        name: str. The name of the corpus in reports; by default the name of the source file without
            its last suffix.
        source_language: str. A language code such as `"en"`, if known.
        target_language: str. A language code such as `"de"`, if known.

    Returns:
        A `Corpus`.

    Raises:
        CorpusError: a file is missing or not UTF-8, the files differ in length, or both are empty.

    Example:

    >>> import pathlib, tempfile
    >>> directory = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (directory / "small.en").write_text("a dog\\na cat\\n", encoding="utf-8")
    >>> _ = (directory / "small.de").write_text("ein Hund\\neine Katze\\n", encoding="utf-8")
    >>> corpus = read_text_pair(directory / "small.en", directory / "small.de")
    >>> corpus.name, list(corpus)
    ('small', [('a dog', 'ein Hund'), ('a cat', 'eine Katze')])
    """
    sources = read_corpus_lines(source_path, "source_path")
    targets = read_corpus_lines(target_path, "target_path")
    if len(sources) != len(targets):
        raise CorpusError(
            "`source_path` and `target_path` must have the same number of lines. Received: "
            f"{len(sources):,} lines in {source_path} and {len(targets):,} in {target_path}. Check "
            "for a missing last line, or for a line that is broken in two: all pairs after it "
            "would be misaligned."
        )
    if not sources:
        raise CorpusError(
            f"`source_path` must have at least one line. Received: {source_path}, which is empty."
        )
    return Corpus(
        sources=sources,
        targets=targets,
        name=name or Path(source_path).stem,
        source_language=source_language,
        target_language=target_language,
        notes=describe_segments(sources, targets),
    )


def read_corpus_lines(path: str | os.PathLike[str], argument: str = "path") -> list[str]:
    """Like `keras_attn.lines.read_lines`, but raises `CorpusError`."""
    try:
        return read_lines(path, argument)
    except ValueError as error:
        raise CorpusError(str(error)) from error
