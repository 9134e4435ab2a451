"""The lines of a file or of standard input, in chunks, so that a pipe makes progress."""

from __future__ import annotations

import codecs
import contextlib
import os
import stat
import sys
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

CHUNK_LINES = 5000


class Line(NamedTuple):
    """A line of text, and what stood at its end: a line feed, with a carriage return, or nothing.

    Args:
        text: str.
        end: bytes.
    """

    text: str
    end: bytes


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
        ValueError: if the file cannot be read, or is not UTF-8; the line is named.
    """
    with contextlib.ExitStack() as stack:
        stream: BinaryIO = sys.stdin.buffer
        if path is not None and path != "-":
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


def read_chunks(stream: BinaryIO, lines_per_chunk: int = CHUNK_LINES) -> Iterator[list[Line]]:
    """Reads lines of UTF-8; only a line feed ends a line.

    A carriage return before it belongs to the line's end, and a byte order mark at the start of the
    stream is no text.

    Args:
        stream: binary stream.
        lines_per_chunk: int. How many lines at once; the last chunk has fewer.

    Yields:
        list of `Line`, none of them empty lists.

    Raises:
        ValueError: if a line is not UTF-8; its number, counted from 1, is named.
    """
    chunk: list[Line] = []
    for number, raw in enumerate(stream, start=1):
        if number == 1:
            raw = raw.removeprefix(codecs.BOM_UTF8)
            if not raw:
                continue
        body = raw.removesuffix(b"\n")
        if len(body) < len(raw):
            body = body.removesuffix(b"\r")
        try:
            chunk.append(Line(body.decode("utf-8"), raw[len(body) :]))
        except UnicodeDecodeError as error:
            raise ValueError(
                f"The input must be UTF-8 text. Received: byte 0x{body[error.start]:02x} at line "
                f"{number}, byte {error.start + 1} of the line; convert it, for example with "
                "`iconv -f LATIN1 -t UTF-8`."
            ) from error
        if len(chunk) == lines_per_chunk:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _is_regular_file(stream: BinaryIO) -> bool:
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode) and stream.seekable()
    except (OSError, ValueError):  # a stream in memory
        return False
