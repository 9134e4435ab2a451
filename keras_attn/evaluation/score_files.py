"""Scores a file of translations against files of references, line by line."""

import os
from collections.abc import Sequence
from typing import Any

from keras_attn.evaluation.corpus_scores import CorpusScores, corpus_scores
from keras_attn.lines import read_lines


def score_files(
    hypotheses_path: str | os.PathLike[str],
    references_paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    **options: Any,
) -> CorpusScores:
    """Scores the lines of one file against those of one or several reference files.

    Args:
        hypotheses_path: str or path. Translations, one per line.
        references_paths: Path, or sequence of paths. References aligned by line; with several
            files, an empty line means that the sentence has fewer references.
        **options: Options of `corpus_scores`, such as `confidence=True`.

    Returns:
        `CorpusScores`.

    Raises:
        ValueError: If a file cannot be read, or the numbers of lines differ. The message gives the
            count of each file.

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
    hypotheses = read_lines(hypotheses_path, "hypotheses_path")
    streams = [read_lines(path, "references_paths") for path in references_paths]
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
