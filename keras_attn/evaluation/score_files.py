"""Scores a file of translations against files of references, line by line."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_attn.evaluation.corpus_scores import CorpusScores, corpus_scores


def read_lines(path: str | os.PathLike[str]) -> list[str]:
    """Reads a UTF-8 text file, one sentence a line.

    Only a line feed ends a line (a carriage return before it is dropped), as in sacreBLEU and `wc
    -l`; other characters that Python's `str.splitlines` breaks at, such as U+2028, stay inside
    their sentence, so that files remain aligned.

    Args:
        path: str or path. The file. A byte order mark at its start is dropped.

    Returns:
        List of str, without line ends. Empty lines are kept.

    Raises:
        ValueError: If the file is absent, is a directory, or is not UTF-8 (with the line's number).

    Example:

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     path = pathlib.Path(directory, "test.de")
    ...     _ = path.write_text("Zwei Hunde.\\n\\nEin Mann.\\n", encoding="utf-8")
    ...     read_lines(path)
    ['Zwei Hunde.', '', 'Ein Mann.']
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ValueError(
            "`path` must be a readable text file. Received: "
            f"{os.fspath(path)!r} ({error.strerror})."
        ) from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line_number = content.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"`path` must be UTF-8 text. Received: {os.fspath(path)!r}, where line {line_number} "
            "is not UTF-8; convert the file, for example with `iconv`."
        ) from error
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def score_files(
    hypotheses_path: str | os.PathLike[str],
    references_paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    **options: Any,
) -> CorpusScores:
    """Scores the lines of one file against those of one or several reference files.

    Args:
        hypotheses_path: str or path. Translations, one a line.
        references_paths: Path, or sequence of paths. References aligned by line; with several
            files, an empty line means that the sentence has fewer references.
        **options: Options of `corpus_scores`, such as `confidence=True`.

    Returns:
        `CorpusScores`.

    Raises:
        ValueError: If a file cannot be read, or the numbers of lines differ (with each file's
            count).

    Example:

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     path = pathlib.Path(directory, "test.de")
    ...     _ = path.write_text("Zwei Hunde rennen im Park.\\n", encoding="utf-8")
    ...     round(score_files(path, path).bleu, 6)
    100.0
    """
    if isinstance(references_paths, (str, os.PathLike)):
        references_paths = [references_paths]
    if len(references_paths) == 0:
        raise ValueError("`references_paths` must name at least one file. Received: 0.")
    hypotheses = read_lines(hypotheses_path)
    streams = [read_lines(path) for path in references_paths]
    if any(len(stream) != len(hypotheses) for stream in streams):
        paths = [hypotheses_path, *references_paths]
        counts = ", ".join(
            f"{os.fspath(path)!r} with {len(lines)}"
            for path, lines in zip(paths, [hypotheses, *streams], strict=True)
        )
        raise ValueError(
            "`hypotheses_path` and `references_paths` must have the same number of lines. "
            f"Received: {counts}."
        )
    return corpus_scores(hypotheses, streams, **options)
