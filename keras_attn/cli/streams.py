"""The standard streams of a command. None of them may cost a user finished work."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import TextIO


def prepare_streams() -> None:
    """Makes sure that messages can be written, whatever the standard streams are.

    - A stream that was closed (`>&-`) is the null device. Otherwise the next file that is opened
      would get its number, and be written into by whatever prints. Standard input stays None, so
      that a command that wants to read it can say so.
    - A character that the encoding of a terminal or a log does not have is written as an escape.
      Text that is data does not depend on it: translations are bytes in UTF-8, JSON is ASCII.
    - Standard error never fails: a log that is full, or that nobody reads any more, loses messages,
      and the work goes on.
    """
    _fill_closed_descriptors()
    sys.stdout = sys.stdout or _open_null_device()
    sys.stderr = sys.stderr or _open_null_device()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    own = sys.__stderr__
    if own is not None and sys.stderr is own:  # not one that a caller has put there
        sys.stderr = forgiving_stream(own)


def forgiving_stream(stream: TextIO) -> TextIO:
    """A stream to the same file whose writing never fails: what cannot be written is lost.

    Args:
        stream: text stream. One without a file of its own, as in memory, is returned as it is.

    Returns:
        text stream, of the same encoding, that writes line by line.
    """
    try:
        raw = _ForgivingFile(stream.fileno(), "wb", closefd=False)
    except (OSError, ValueError, AttributeError):
        return stream
    with contextlib.suppress(OSError):
        stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=True,
    )


def flush_output() -> OSError | None:
    """Writes what standard output holds back.

    Returns:
        OSError or None. Why it cannot be written. What was held back is lost then; Python would try
        again at its end, fail again, and change the exit status.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return error
    return None


class _ForgivingFile(io.FileIO):
    """A file that takes whatever is written to it."""

    def write(self, data: object) -> int:
        """Writes all of it, or as much as can be."""
        rest = memoryview(data).cast("B")  # type: ignore[arg-type]
        size = len(rest)
        with contextlib.suppress(OSError):
            while len(rest):
                # None: it would have to wait, in a pipe that does not.
                written = super().write(rest)
                if not written:
                    break
                rest = rest[written:]
        return size


def _open_null_device() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")


def _fill_closed_descriptors() -> None:
    """Opens the null device for each standard stream that is closed."""
    for number, stream in enumerate((sys.__stdin__, sys.__stdout__, sys.__stderr__)):
        if stream is not None or _is_open(number):
            continue
        opened = os.open(os.devnull, os.O_RDWR)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)
        os.set_inheritable(number, True)  # for the processes that a command starts


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
