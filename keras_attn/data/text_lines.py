"""Reads the lines of a text file as people write them: UTF-8, one segment a line."""

import codecs
import difflib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from keras_attn.data.corpus_error import CorpusError

_OTHER_ENCODINGS = {
    codecs.BOM_UTF16_LE: "It begins like UTF-16",
    codecs.BOM_UTF16_BE: "It begins like UTF-16",
    b"\x1f\x8b": "It begins like a gzip file, decompress it first",
}


def read_lines(path: str | os.PathLike, argument: str = "path") -> list[str]:
    r"""The lines of a UTF-8 text file, each as it is.

    Only a line feed ends a line. `str.splitlines` would also split at U+0085, U+2028 and others,
    which do occur inside segments of real corpora and would shift all that follows against the
    other side. One carriage return before the line feed belongs to the line's end, and a byte order
    mark at the start of the file is no text; both are removed.

    Args:
        path: path. The file.
        argument: str. What error messages call the path.

    Returns:
        A list of str, without line ends. An empty file has no lines.

    Raises:
        CorpusError: there is no such file, it cannot be read, or it is not UTF-8.

    Example:

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "lines.txt")
    >>> _ = path.write_bytes("\ufeffone\r\n\ntwo\u2028three".encode())
    >>> read_lines(path)
    ['one', '', 'two\u2028three']
    """
    path = Path(path)
    content = _read_bytes(path, argument)
    start = len(codecs.BOM_UTF8) if content.startswith(codecs.BOM_UTF8) else 0
    try:
        text = content[start:].decode("utf-8")
    except UnicodeDecodeError as error:
        offset = start + error.start
        line_number = content.count(b"\n", 0, offset) + 1
        hint = "Convert the file to UTF-8"
        for signature, guess in _OTHER_ENCODINGS.items():
            if content.startswith(signature):
                hint = guess
        raise CorpusError(
            f"`{argument}` must be UTF-8 text: {path} is not, at line {line_number}, byte offset "
            f"{offset}. Received: byte 0x{content[offset]:02x}. {hint}."
        ) from error
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def nearest_names(name: str, candidates: Iterable[str], limit: int = 5) -> list[str]:
    """The candidates most like `name`, for an error message; the first ones where none is alike.

    Args:
        name: str. What was asked for.
        candidates: iterable of str. What there is.
        limit: int. How many names at most.

    Returns:
        A list of str.

    Example:

    >>> nearest_names("trian.en", ["train.de", "train.en", "test.en"], limit=1)
    ['train.en']
    """
    candidates = sorted(candidates)
    return difflib.get_close_matches(name, candidates, n=limit) or candidates[:limit]


def describe_segments(sources: Sequence[str], targets: Sequence[str]) -> tuple[str, ...]:
    """What deserves a look in these pairs: empty sides, blanks at the ends, line breaks inside.

    Args:
        sources: sequence of str. The source segments.
        targets: sequence of str. The target segments, as many.

    Returns:
        A tuple of sentences, each with a count and the number of the first such pair, counted from
        1.

    Example:

    >>> describe_segments(["one", "", " three"], ["eins", "zwei", "drei"])
    ('1 pair is empty on one side (first: 2).', '1 pair has leading or trailing blanks (first: 3).')
    """
    found: dict[str, list[int]] = {
        "empty on both sides": [],
        "empty on one side": [],
        "leading or trailing blanks": [],
        "a line break inside a segment": [],
    }
    both, one, blanks, breaks = found.values()
    for number, (source, target) in enumerate(zip(sources, targets, strict=True), start=1):
        empty_sides = (not source or source.isspace()) + (not target or target.isspace())
        if empty_sides:
            (both if empty_sides == 2 else one).append(number)
        elif source != source.strip() or target != target.strip():
            blanks.append(number)
        if "\n" in source or "\n" in target:
            breaks.append(number)
    return tuple(_sentence(what, numbers) for what, numbers in found.items() if numbers)


def _sentence(what: str, numbers: Sequence[int]) -> str:
    one = len(numbers) == 1
    verb = ("is" if one else "are") if what.startswith("empty") else ("has" if one else "have")
    return f"{len(numbers):,} {'pair' if one else 'pairs'} {verb} {what} (first: {numbers[0]:,})."


def _read_bytes(path: Path, argument: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise CorpusError(
            f"`{argument}` must be an existing file. Received: {path}. {_neighbors(path)}"
        ) from error
    except OSError as error:
        raise CorpusError(
            f"`{argument}` must be a readable file. Received: {path} ({error.strerror})."
        ) from error


def _neighbors(path: Path) -> str:
    directory = path.parent
    if not directory.is_dir():
        return f"There is no directory {directory} either."
    names = nearest_names(
        path.name, (entry.name for entry in directory.iterdir() if entry.is_file())
    )
    return (
        f"That directory holds {', '.join(names)}." if names else "That directory holds no files."
    )
