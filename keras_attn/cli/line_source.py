"""Opens a file of lines, or standard input."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Iterator
from typing import BinaryIO

from keras_attn.lines import decompressed, open_text, read_chunks


@contextlib.contextmanager
def open_lines(path: str | None) -> Iterator[BinaryIO]:
    """Opens a file, or standard input.

    A file, or standard input redirected from a file, is first read to its end, so that a file that
    is not text is refused before any output. Compressed input is decompressed.

    Args:
        path: str or None. The file; None and "-" are standard input.

    Yields:
        binary stream.

    Raises:
        ValueError: if the file cannot be read, or is not text (the message names the line), or
            standard input is closed.
    """
    with contextlib.ExitStack() as stack:
        if path is not None and path != "-":
            stream = stack.enter_context(open_text(path, "--input"))
        else:
            stream = stack.enter_context(_open_standard_input())
        if _is_regular_file(stream):
            start = stream.tell()
            for _ in read_chunks(stream):
                pass
            stream.seek(start)
        yield stream


def _open_standard_input() -> contextlib.AbstractContextManager[BinaryIO]:
    if sys.stdin is None:
        raise ValueError(
            "`--input` must name a file, because standard input is closed. Received: no file."
        )
    if sys.stdin.isatty():  # reading ahead would wait for typed input
        return contextlib.nullcontext(sys.stdin.buffer)
    return decompressed(sys.stdin.buffer)


def _is_regular_file(stream: BinaryIO) -> bool:
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode) and stream.seekable()
    except (OSError, ValueError):  # a stream in memory
        return False
