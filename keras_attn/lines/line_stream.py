"""The lines of a UTF-8 stream, in chunks. Only this module decides what ends a line."""

from __future__ import annotations

import codecs
import lzma
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

CHUNK_LINES = 5000

_SIGNATURES = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
    b"\x1f\x8b": "a gzip file",
    b"\xfd7zXZ\x00": "an xz file",
    b"BZh91AY&SY": "a bzip2 file",
    b"PK\x03\x04": "a zip file",
    b"\x28\xb5\x2f\xfd": "a zstd file",
}


class Line(NamedTuple):
    """A line of text, and its end: a line feed, a carriage return and a line feed, or nothing.

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

    A carriage return before it belongs to the line's end. A byte order mark at the start of the
    stream is not part of the text. (`str.splitlines` also splits at U+0085, U+2028 and others. They
    occur inside the segments of real corpora, so all following pairs would be misaligned.)

    Args:
        stream: binary stream.
        lines_per_chunk: int. The number of lines of a chunk; the last chunk may have fewer.
        first_line: int. Number of the stream's first line. It is not 1 if the stream begins inside
            a file, where there is no byte order mark.
        name: str. The name of the stream in errors.

    Yields:
        list of `Line`, never an empty list.

    Raises:
        ValueError: if a line is not UTF-8 or has a NUL, or if only carriage returns end the lines.
            The message gives the number of the line, counted from 1.

    Example:

    >>> import io
    >>> list(read_chunks(io.BytesIO(b"one\\r\\n\\ntwo"), lines_per_chunk=2))
    [[Line(text='one', end=b'\\r\\n'), Line(text='', end=b'\\n')], [Line(text='two', end=b'')]]
    """
    chunk: list[Line] = []
    offset = 0
    for number, raw in enumerate(_raw_lines(stream, name), start=first_line):
        body = raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw
        if not body:  # a byte order mark and nothing else
            continue
        chunk.append(_line(body, raw, number, offset, name))
        offset += len(raw)
        if len(chunk) == lines_per_chunk:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _raw_lines(stream: BinaryIO, name: str) -> Iterator[bytes]:
    try:
        while raw := stream.readline():  # `yield from` would close the stream with the generator
            yield raw
    except (EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        if getattr(error, "errno", None) is not None:  # of the disk: bzip2 and gzip give none
            raise
        raise ValueError(
            f"{name} must be text, or a complete compressed text file. Received: a damaged "
            f"compressed file ({error})."
        ) from error


def _line(body: bytes, raw: bytes, number: int, offset: int, name: str) -> Line:
    """Decodes the line `body`; `raw` also holds the byte order mark."""
    text = body.removesuffix(b"\n")
    if len(text) < len(body):
        text = text.removesuffix(b"\r")
    elif number == 1 and b"\r" in text:
        raise ValueError(
            f"{name} must end its lines with line feeds. Received: only carriage returns, "
            "as on old Macs. Convert them, for example with `tr '\\r' '\\n'`."
        )
    try:
        line = Line(text.decode("utf-8"), body[len(text) :])
        position = text.find(b"\0")
        if position < 0:
            return line
    except UnicodeDecodeError as error:
        position = error.start
    position_in_raw = len(raw) - len(body) + position
    raise ValueError(
        f"{name} must be UTF-8 text. Received: byte 0x{text[position]:02x} at line {number}, byte "
        f"offset {offset + position_in_raw}. {_advice(raw, text, number)}."
    )


def _advice(raw: bytes, text: bytes, number: int) -> str:
    if number == 1:
        for signature, kind in _SIGNATURES.items():
            if raw.startswith(signature):
                is_encoding = kind.startswith("UTF")
                convert = f"convert it with `iconv -f {kind} -t UTF-8`"
                return f"It begins like {kind}: {convert if is_encoding else 'decompress it first'}"
    if b"\0" in text:
        return "Text has no NUL bytes: this looks like UTF-16 or a binary file"
    return (
        "It may be in an older encoding, such as windows-1252, GB18030 or Shift-JIS: find out "
        "which, and convert it with `iconv -f ENCODING -t UTF-8`"
    )
