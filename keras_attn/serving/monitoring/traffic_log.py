"""A file of facts about lines: bounded, rotated, and without text unless requested."""

from __future__ import annotations

import json
import logging
import logging.handlers
import os
from collections.abc import Iterable
from pathlib import Path

from keras_attn.serving.monitoring.line_facts import LineFacts


class TrafficLog:
    """Appends facts to a file, one JSON object a line. Several threads may do so.

    A full file is renamed to NAME.1, NAME.1 to NAME.2, and so on; the oldest is removed. So the log
    never takes more than (files + 1) times `most_bytes`.

    Args:
        path: path. The file; an existing file is appended to.
        most_bytes: int. The maximum size of a file.
        files: int. The number of older files to keep.
        keep_text: bool. Also keep lines and translations, after `redact`. Ask the people whose text
            it is first.

    Attributes:
        keep_text: bool.

    Raises:
        ValueError: if a number is too small.
        OSError: if the file cannot be written.

    Example:

    >>> TrafficLog("traffic.jsonl", files=0)
    Traceback (most recent call last):
    ValueError: `files` must be at least 1. Received: 0.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        most_bytes: int = 16 * 2**20,
        files: int = 4,
        keep_text: bool = False,
    ) -> None:
        for name, value in (("most_bytes", most_bytes), ("files", files)):
            if value < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {value}.")
        self.keep_text = keep_text
        self._handler = logging.handlers.RotatingFileHandler(
            path, maxBytes=most_bytes, backupCount=files, encoding="utf-8"
        )

    def write(self, lines: Iterable[LineFacts]) -> None:
        """Appends the facts of lines.

        Args:
            lines: iterable of `LineFacts`.
        """
        for line in lines:
            text = json.dumps(line.to_dict())
            self._handler.handle(logging.LogRecord("", 0, "", 0, text, None, None))

    def close(self) -> None:
        """Closes the file."""
        self._handler.close()


def open_log(log: str | os.PathLike[str] | TrafficLog | None) -> TrafficLog | None:
    """Opens a log unless it is already open or None.

    Args:
        log: path, `TrafficLog` or None.

    Returns:
        `TrafficLog` or None.
    """
    return log if log is None or isinstance(log, TrafficLog) else TrafficLog(log)


def read_traffic(path: str | os.PathLike[str]) -> tuple[list[LineFacts], int]:
    """Reads a log with its older files, oldest first.

    Args:
        path: path. The newest file.

    Returns:
        tuple of list of `LineFacts` and the number of damaged lines, which are skipped.

    Raises:
        OSError: if there is no such file.

    Example:

    >>> Path("traffic.jsonl").touch()
    >>> read_traffic("traffic.jsonl")
    ([], 0)
    """
    newest = Path(path)
    older = sorted(
        (one for one in newest.parent.glob(f"{newest.name}.*") if one.suffix[1:].isdigit()),
        key=lambda one: -int(one.suffix[1:]),
    )
    lines, damaged = [], 0
    for file in (*older, newest):
        with open(file, encoding="utf-8", errors="replace") as content:
            for line in content:
                try:
                    lines.append(LineFacts.from_dict(json.loads(line)))
                except ValueError:
                    damaged += 1
    return lines, damaged
