"""The table of `keras-attn evaluate --tsv`: scores of each file, and their mean."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

_COLUMNS = {
    "line_error_rate": "lines %",
    "token_error_rate": "tokens %",
    "character_error_rate": "characters %",
    "bleu": "BLEU",
    "chrf": "chrF",
    "bleu_tokenized": "BLEU, tokenized",
    "bleu_tokenized_lowercase": "lower-cased",
    "bleu_compound_split": "compounds split",
}


def score_tsv_files(
    model: Any,
    paths: Sequence[str],
    columns: tuple[int, int],
    tag_sources: bool,
    **options: Any,
) -> dict[str, Any]:
    """Translates one column of each file, and scores it against another.

    Args:
        model: object with `translate(texts) -> list[str]`.
        paths: sequence of str. The files.
        columns: pair of int. The columns of sources and references, counted from 0.
        tag_sources: bool. Whether to put the name of a file before its sources.
        **options: options of `corpus_scores`.

    Returns:
        dict. `files`: name -> scores (path -> scores if names repeat); `mean`: the mean of each
        score over the files, in which every file counts the same (the macro average).

    Raises:
        ValueError: if a file is given twice, cannot be read or has too few columns. Then no file is
            scored.
    """
    from keras_attn.data import group_references, read_tsv_files
    from keras_attn.evaluation import evaluate

    names = _names(paths)
    corpora = {
        name: read_tsv_files([path], *columns, tag_sources=tag_sources)
        for name, path in zip(names, paths, strict=True)
    }
    files = {}
    for name, corpus in corpora.items():
        sources, references = group_references(corpus)
        report = evaluate(model, sources, references, **options)
        files[name] = report.to_dict(translations=False)
    means = {
        column: statistics.fmean(scores[column] for scores in files.values())
        for column in _COLUMNS
        if all(scores.get(column) is not None for scores in files.values())
    }
    return {"files": files, "mean": means}


def _names(paths: Sequence[str]) -> list[str]:
    """The names of the files without directory and suffix; their paths if names repeat."""
    if len(set(paths)) < len(paths):
        raise ValueError(f"`--tsv` must name every file once. Received: {' '.join(paths)}.")
    stems = [Path(path).stem for path in paths]
    return stems if len(set(stems)) == len(stems) else list(paths)


def as_table(result: dict[str, Any]) -> Table:
    """Makes a table of the result of `score_tsv_files`.

    Args:
        result: dict.

    Returns:
        rich Table.
    """
    columns = {name: title for name, title in _COLUMNS.items() if name in result["mean"]}
    table = Table("file", "number", *columns.values(), title="wrong lines, tokens, characters")
    for name, scores in result["files"].items():
        figures = (f"{scores[column]:.2f}" for column in columns)
        table.add_row(name, f"{scores['sentences']:,}", *figures)
    table.add_section()
    table.add_row("mean", "", *(f"{result['mean'][column]:.2f}" for column in columns))
    return table
