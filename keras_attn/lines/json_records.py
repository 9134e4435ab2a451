"""Files to which a training run appends one JSON object per line."""

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from keras_attn.system.whole_file import whole_file


def read_records(path: str | os.PathLike) -> list[dict[str, Any]]:
    """Like `read_noted_records`, without the notes."""
    return read_noted_records(path)[0]


def read_noted_records(
    path: str | os.PathLike,
) -> tuple[list[dict[str, Any]], list[str]]:
    """Reads the records, and notes the lines that are damaged.

    A run that was killed, or is still writing, may leave half a record at the end. Damaged lines
    are skipped anywhere in the file, and all other records are kept.

    Args:
        path: path. The file; a missing file has no records.

    Returns:
        list of dict, each with a "step"; list of str, one note per damaged line.

    Example:

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     path = Path(directory, "history.jsonl")
    ...     _ = path.write_text('{"step": 1, "loss": 7.5}\\n{"step": 2, "lo', encoding="utf-8")
    ...     read_noted_records(path)
    ([{'step': 1, 'loss': 7.5}], ['line 2 of history.jsonl is damaged and was skipped'])
    """
    path = Path(path)
    records: list[dict[str, Any]] = []
    notes: list[str] = []
    content = path.read_bytes() if path.exists() else b""
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError:  # not JSON, or not UTF-8
            record = None
        if isinstance(record, dict) and "step" in record:
            records.append(record)
        else:
            notes.append(f"line {number} of {path.name} is damaged and was skipped")
    return records, notes


def append_records(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """Appends records, and waits until they are on the disk.

    Args:
        path: Path. The file; created if it is missing.
        records: iterable of dict. Each with a "step".
    """
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(one, ensure_ascii=False) + "\n" for one in records)
        file.flush()
        os.fsync(file.fileno())


def drop_records_after(path: Path, step: int) -> None:
    """Drops the records of updates that will be repeated, and damaged lines.

    Args:
        path: Path. The file; nothing happens if it is missing.
        step: int. The last step whose records are kept.
    """
    keep_records(path, lambda record: record["step"] <= step)


def keep_records(path: Path, is_kept: Callable[[dict[str, Any]], bool]) -> None:
    """Drops all records but some, and damaged lines.

    Args:
        path: Path. The file; nothing happens if it is missing.
        is_kept: function of a record. Whether it stays.
    """
    if not path.exists():
        return
    kept = [one for one in read_records(path) if is_kept(one)]
    with whole_file(path) as temporary:
        append_records(temporary, kept)
