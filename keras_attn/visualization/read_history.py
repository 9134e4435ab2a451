"""Reads the history of a training run: one JSON object per line."""

import os
from pathlib import Path
from typing import Any

from keras_attn.lines.json_records import read_noted_records


def read_history(path: str | os.PathLike[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """Reads the records of a `history.jsonl`, and notes the lines that are damaged.

    Args:
        path: str or path. The file, or a run directory that holds `history.jsonl`.

    Returns:
        `(records, notes)`: the records as dictionaries, and one readable line per damaged line.

    Raises:
        ValueError: if the file cannot be read, or has no record.

    Example:

    >>> read_history("no/run")
    Traceback (most recent call last):
    ValueError: `history` must be a readable history.jsonl or a directory that holds one. ...
    """
    file = Path(path)
    if file.is_dir():
        file = file / "history.jsonl"
    try:
        file.open("rb").close()
        records, notes = read_noted_records(file)
    except OSError as error:
        raise ValueError(
            "`history` must be a readable history.jsonl or a directory that holds one. Received: "
            f"{os.fspath(path)!r} ({error.strerror})."
        ) from error
    if not records:
        raise ValueError(
            "`history` must hold at least one JSON object with a step, one per line. Received: "
            f"{os.fspath(path)!r} with no such object and {len(notes)} damaged lines."
        )
    return records, notes
