"""Opens files of text, compressed or not."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from keras_attn.lines.line_stream import read_chunks
from keras_attn.system.did_you_mean import nearest_or_first

# The first bytes of a compressed file -> the function that opens it. A text may begin with "BZh".
_OPENERS: dict[bytes, Any] = {
    rb"\x1f\x8b": gzip.open,
    rb"\xfd7zXZ\x00": lzma.open,
    rb"BZh[1-9](1AY&SY|\x17rE8P\x90)": bz2.open,
}

_SUFFIXES = (".gz", ".bz2", ".xz")


def without_compression(path: str | os.PathLike[str]) -> Path:
    """The path of a file without the suffix of its compression.

    Args:
        path: path.

    Returns:
        Path.

    Example:

    >>> without_compression("train.en.gz").name
    'train.en'
    """
    path = Path(path)
    return path.with_suffix("") if path.suffix in _SUFFIXES else path


@contextlib.contextmanager
def open_text(path: str | os.PathLike[str], argument: str = "path") -> Iterator[BinaryIO]:
    """Opens a file of text, and decompresses it if it is compressed with gzip, xz or bzip2.

    The first bytes of the file decide, not its name.

    Args:
        path: path.
        argument: str. The name of the path in error messages.

    Yields:
        binary stream.

    Raises:
        ValueError: if there is no such file, or it cannot be read.
    """
    with contextlib.ExitStack() as stack:
        try:
            stream = stack.enter_context(open(path, "rb"))
        except FileNotFoundError as error:
            raise ValueError(
                f"`{argument}` must be an existing file. Received: {path}. {_neighbors(Path(path))}"
            ) from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ValueError(
                f"`{argument}` must be a readable file. Received: {path} ({reason})."
            ) from error
        yield stack.enter_context(decompressed(stream))


@contextlib.contextmanager
def decompressed(stream: Any) -> Iterator[BinaryIO]:
    """The stream itself, or its decompressed content if it begins like a compressed file.

    Args:
        stream: binary stream with `peek`, at its beginning.

    Yields:
        binary stream.
    """
    start = stream.peek(10) if hasattr(stream, "peek") else b""
    for signature, opener in _OPENERS.items():
        if re.match(signature, start):
            with opener(stream) as opened:
                yield cast(BinaryIO, opened)
            return
    yield stream


def read_lines(path: str | os.PathLike[str], argument: str = "path") -> list[str]:
    r"""The lines of a file of UTF-8 text, unchanged; see `read_chunks`.

    Args:
        path: path. The file; it may be compressed.
        argument: str. The name of the path in error messages.

    Returns:
        list of str, without line ends. An empty file has no lines.

    Raises:
        ValueError: if there is no such file, it cannot be read, or it is not text.

    Example:

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "lines.txt")
    >>> _ = path.write_bytes("\ufeffone\r\n\ntwo\u2028three".encode())
    >>> read_lines(path)
    ['one', '', 'two\u2028three']
    """
    with open_text(path, argument) as stream:
        name = f"`{argument}` ({os.fspath(path)})"
        return [line.text for chunk in read_chunks(stream, name=name) for line in chunk]


def _neighbors(path: Path) -> str:
    directory = path.parent
    if not directory.is_dir():
        return f"There is no directory {directory} either."
    names = nearest_or_first(
        path.name, (entry.name for entry in directory.iterdir() if entry.is_file())
    )
    return (
        f"That directory holds {', '.join(names)}." if names else "That directory holds no files."
    )
