"""Reads the history of a training run: one JSON object a line."""

import json
import os
from pathlib import Path
from typing import Any


def read_history(path: str | os.PathLike[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """Reads the records of a `history.jsonl`, and notes the lines that are damaged.

    A run that was killed, or is still writing, may leave half a record at the end. Such lines are
    skipped and noted, wherever they stand, so that they never cost the rest of the history.

    Args:
        path: str or path. The file, or a run directory that holds `history.jsonl`.

    Returns:
        `(records, notes)`: the records as dictionaries, and one readable line per damaged line.

    Raises:
        ValueError: If the file cannot be read, or holds not one record.

    Example:

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     path = pathlib.Path(directory, "history.jsonl")
    ...     _ = path.write_text('{"step": 1, "loss": 7.5}\\n{"step": 2, "lo', encoding="utf-8")
    ...     read_history(path)
    ([{'step': 1, 'loss': 7.5}], ['line 2 of history.jsonl is damaged and was skipped'])
    """
    file = Path(path)
    if file.is_dir():
        file = file / "history.jsonl"
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ValueError(
            "`history` must be a readable history.jsonl or a directory that holds one. Received: "
            f"{os.fspath(path)!r} ({error.strerror})."
        ) from error
    records: list[dict[str, Any]] = []
    notes: list[str] = []
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError:  # not JSON, or not UTF-8
            record = None
        if isinstance(record, dict):
            records.append(record)
        else:
            notes.append(f"line {number} of {file.name} is damaged and was skipped")
    if not records:
        raise ValueError(
            "`history` must hold at least one JSON object, one a line. Received: "
            f"{os.fspath(path)!r} with none, and {len(notes)} damaged lines."
        )
    return records, notes
