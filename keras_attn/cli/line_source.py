"""Opens a file of lines, or standard input."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Iterator
from typing import BinaryIO

from keras_attn.line_stream import read_chunks


@contextlib.contextmanager
def open_lines(path: str | None) -> Iterator[BinaryIO]:
    """Opens a file, or standard input.

    A file (also one that standard input is redirected from) is read through once before it is
    used, so that one that is not UTF-8 is refused as a whole.

    Args:
        path: str or None. The file; None and "-" are standard input.

    Yields:
        binary stream.

    Raises:
        ValueError: if the file cannot be read, or is not UTF-8 (the line is named), or standard
            input is closed.
    """
    with contextlib.ExitStack() as stack:
        stream: BinaryIO
        if path is None or path == "-":
            stream = _standard_input()
        else:
            try:
                stream = stack.enter_context(open(path, "rb"))
            except OSError as error:
                raise ValueError(
                    f"`--input` must be a readable file. Received: {path!r} ({error.strerror})."
                ) from error
        if _is_regular_file(stream):
            start = stream.tell()
            for _ in read_chunks(stream):
                pass
            stream.seek(start)
        yield stream


def _standard_input() -> BinaryIO:
    if sys.stdin is None:
        raise ValueError(
            "`--input` must be a file where standard input is closed. Received: no file."
        )
    return sys.stdin.buffer


def _is_regular_file(stream: BinaryIO) -> bool:
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode) and stream.seekable()
    except (OSError, ValueError):  # a stream in memory
        return False
