"""The lines of a stream of UTF-8, in chunks: the one place that knows what ends a line."""

from __future__ import annotations

import codecs
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


def read_chunks(
    stream: BinaryIO,
    lines_per_chunk: int = CHUNK_LINES,
    first_line: int = 1,
    name: str = "The input",
) -> Iterator[list[Line]]:
    """Reads lines of UTF-8; only a line feed ends a line.

    A carriage return before it belongs to the line's end, and a byte order mark at the start of the
    stream is no text.

    Args:
        stream: binary stream.
        lines_per_chunk: int. How many lines at once; the last chunk has fewer.
        first_line: int. Number of the stream's first line; not 1 where the stream begins inside a
            file, and so with no byte order mark.
        name: str. What errors call the stream.

    Yields:
        list of `Line`, none of them empty lists.

    Raises:
        ValueError: if a line is not UTF-8; its number, counted from 1, is named.

    Example:

    >>> import io
    >>> list(read_chunks(io.BytesIO(b"one\\r\\n\\ntwo"), lines_per_chunk=2))
    [[Line(text='one', end=b'\\r\\n'), Line(text='', end=b'\\n')], [Line(text='two', end=b'')]]
    """
    chunk: list[Line] = []
    for number, raw in enumerate(stream, start=first_line):
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
                f"{name} must be UTF-8 text. Received: byte 0x{body[error.start]:02x} at line "
                f"{number}, byte {error.start + 1} of the line; convert it, for example with "
                "`iconv -f LATIN1 -t UTF-8`."
            ) from error
        if len(chunk) == lines_per_chunk:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
