"""A file of facts about lines: bounded, rotated, and without text unless requested."""

from __future__ import annotations

import contextlib
import errno
import io
import itertools
import json
import logging
import logging.handlers
import os
import sys
import time
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any, BinaryIO

from keras_attn.serving.monitoring.line_facts import LineFacts

# How often a log that is rotated again and again is opened, and the pause between two attempts.
_ATTEMPTS, _PAUSE_SECONDS = 100, 0.01


class TrafficLog:
    """Appends facts to a file, one JSON object a line. Several threads may do so.

    A full file is renamed to NAME.1, NAME.1 to NAME.2, and so on; the oldest is removed. So the log
    never takes more than (files + 1) times `most_bytes`. A file that was removed is begun again. If
    lines cannot be written, for example to a full disk, there is only a warning.

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
        self._handler = _LineHandler(path, maxBytes=most_bytes, backupCount=files, encoding="utf-8")

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


class _LineHandler(logging.handlers.RotatingFileHandler):
    """A rotating file in which each record has a line of its own, whatever happened before."""

    def emit(self, record: logging.LogRecord) -> None:
        if not self._is_newest():
            self._leave_file()
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        # The line is lost, but its translation is not: logging would print a traceback for it.
        warnings.warn(f"The traffic log cannot be written: {sys.exception()}", stacklevel=2)
        self._leave_file()

    def _is_newest(self) -> bool:
        """Whether the open file still has the name: it may be removed, or rotated by another."""
        if self.stream is None:
            return False
        try:
            return _has_name(self.stream, self.baseFilename)
        except FileNotFoundError:
            return False

    def _leave_file(self) -> None:
        """Closes the file; the next record opens it again."""
        stream, self.stream = self.stream, None
        if stream is not None:
            with contextlib.suppress(OSError):  # what could not be written before
                stream.close()

    def _open(self) -> io.TextIOWrapper:
        stream = super()._open()
        if os.path.isfile(self.baseFilename) and os.path.getsize(self.baseFilename):
            with open(self.baseFilename, "rb") as file:
                file.seek(-1, os.SEEK_END)
                if file.read() != b"\n":  # a full disk, or the end of a process, left half a line
                    stream.write("\n")
        return stream


def open_log(log: str | os.PathLike[str] | TrafficLog | None) -> TrafficLog | None:
    """Opens a log unless it is already open or None.

    Args:
        log: path, `TrafficLog` or None.

    Returns:
        `TrafficLog` or None.
    """
    return log if log is None or isinstance(log, TrafficLog) else TrafficLog(log)


def read_traffic(path: str | os.PathLike[str]) -> tuple[list[LineFacts], int]:
    """Reads a log with its older files, oldest first, also while it is written and rotated.

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
    lines, damaged = [], 0
    with contextlib.ExitStack() as stack:
        for line in itertools.chain.from_iterable(_open_files(Path(path), stack)):
            try:
                lines.append(LineFacts.from_dict(json.loads(line)))
            except ValueError:
                damaged += 1
    return lines, damaged


def _open_files(newest: Path, stack: contextlib.ExitStack) -> list[BinaryIO]:
    """Opens all files of a log, oldest first, as they are between two rotations.

    A rotation gives the files other names one by one. So the names must be those of the opened
    files when all are open: a file that was renamed meanwhile would be read twice, or not at all.
    """
    for _ in range(_ATTEMPTS):
        with contextlib.ExitStack() as opened, contextlib.suppress(FileNotFoundError):
            names = _names(newest)
            files: list[BinaryIO] = [opened.enter_context(open(name, "rb")) for name in names]
            if names == _names(newest) and all(map(_has_name, files, names)):
                stack.push(opened.pop_all())
                return files
        if not names[1:]:
            newest.stat()  # raises: there is no such log
        time.sleep(_PAUSE_SECONDS)
    newest.stat()
    raise OSError(errno.EAGAIN, "The log is rotated too often to be read", os.fspath(newest))


def _names(newest: Path) -> list[Path]:
    """The files of a log, oldest first."""
    older = [one for one in newest.parent.glob(f"{newest.name}.*") if one.suffix[1:].isdigit()]
    return [*sorted(older, key=lambda one: -int(one.suffix[1:])), newest]


def _has_name(file: IO[Any], name: Path | str) -> bool:
    return os.path.samestat(os.fstat(file.fileno()), os.stat(name))
