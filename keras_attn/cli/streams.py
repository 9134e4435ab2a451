"""The standard streams of a command. A broken stream must not lose finished work."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import TextIO


def prepare_streams() -> None:
    """Makes sure that messages can be written, whatever the state of the standard streams.

    - A closed stream (`>&-`) becomes the null device. Otherwise the next file that is opened would
      get its descriptor, and messages would be written into that file. `sys.stdin` stays None, so
      that a command that needs it can report it.
    - A character that the encoding of a terminal or a log does not have is written as an escape.
      Data does not depend on the encoding: translations are bytes in UTF-8, JSON is ASCII.
    - Standard error never fails: if a log is full or no longer has a reader, messages are lost and
      the work continues.
    """
    _fill_closed_descriptors()
    sys.stdout = sys.stdout or _open_null_device()
    sys.stderr = sys.stderr or _open_null_device()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    own = sys.__stderr__
    if own is not None and sys.stderr is own:  # not a stream that a caller has set
        sys.stderr = forgiving_stream(own)


def forgiving_stream(stream: TextIO) -> TextIO:
    """Returns a stream to the same file that never fails: text that cannot be written is lost.

    Args:
        stream: text stream. One without a file, such as one in memory, is returned unchanged.

    Returns:
        text stream with the same encoding that writes line by line.
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
    """Flushes standard output.

    Returns:
        OSError or None. Why the text cannot be written. The buffered text is then discarded;
        otherwise Python would flush again at exit, fail again, and change the exit status.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return error
    return None


class _ForgivingFile(io.FileIO):
    """A file whose writes never fail."""

    def write(self, data: object) -> int:
        """Writes as much as possible, and reports that all was written."""
        rest = memoryview(data).cast("B")  # type: ignore[arg-type]
        size = len(rest)
        with contextlib.suppress(OSError):
            while len(rest):
                # None: a non-blocking pipe is full.
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
