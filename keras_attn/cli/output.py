"""Output of commands: JSON for programs, rich text for people, files written atomically."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from rich.console import Console

from keras_attn.system.whole_file import whole_file

_DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def print_json(value: Any) -> None:
    """Prints one JSON value as one line on standard output.

    Paths become strings, and numbers that JSON does not have (NaN, infinite) become null.

    Args:
        value: dict, list, str, number, path ...
    """
    sys.stdout.write(json.dumps(_plain(value), allow_nan=False) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def make_console(stderr: bool = False) -> Console:
    """Makes a console for people, with colors and bars only on a terminal.

    Args:
        stderr: bool. Standard error instead of standard output.

    Returns:
        rich Console.
    """
    return _Console(stderr=stderr, highlight=False, markup=False, emoji=False)


class _Console(Console):
    """A rich console that does not end the program when the reader of a pipe is gone."""

    def on_broken_pipe(self) -> None:
        """Raises the error again; rich would end the program with status 1."""
        raise  # the error that rich is handling


def say(console: Console, line: str) -> None:
    """Prints a line without wrapping it.

    Args:
        console: rich Console.
        line: str.
    """
    console.print(line, soft_wrap=True)


def check_may_write(
    path: str | None, option: str = "--output", inputs: Iterable[str | None] = ()
) -> None:
    """Checks that an output file can be written, before any work is done.

    Args:
        path: str or None. The file; None and "-" are standard output.
        option: str. The option to name in errors.
        inputs: iterable of str or None. The files of other arguments, which must not be
            overwritten; None where an argument is not given.

    Raises:
        ValueError: if it is one of the inputs, or a directory, or in a directory that does not
            exist or is read-only.
    """
    if path in (None, "-"):
        return
    target = Path(os.path.realpath(str(path)))
    if target.is_dir():
        raise ValueError(f"`{option}` must be a file. Received: the directory {path!r}.")
    if target.exists() and not target.is_file():
        return  # a device or a pipe
    if any(name and target == Path(os.path.realpath(name)) for name in inputs):
        raise ValueError(f"`{option}` must not be a file of another argument. Received: {path!r}.")
    if not target.parent.is_dir():
        raise ValueError(
            f"`{option}` must be in a directory that exists. Received: {path!r}; make it with "
            f"`mkdir -p {target.parent}`."
        )
    if not os.access(target.parent, os.W_OK):
        raise ValueError(f"`{option}` must be in a writable directory. Received: {path!r}.")


@contextlib.contextmanager
def open_output(path: str | None) -> Iterator[BinaryIO]:
    """Opens standard output, or a file that appears only when the block ends without an error.

    Args:
        path: str or None. The file; None and "-" are standard output. A device or a pipe is written
            directly. A file is written under a temporary name and then renamed.

    Yields:
        binary stream.
    """
    check_may_write(path)
    if path is None or path == "-":
        yield sys.stdout.buffer
        return
    target = Path(path)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_named_if_full(path))
        if not target.exists() or target.is_file():
            target = stack.enter_context(whole_file(target))
        yield stack.enter_context(target.open("wb"))


@contextlib.contextmanager
def _named_if_full(path: str) -> Iterator[None]:
    """Adds the name of the file to the error of a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_IS_FULL and error.filename is None:
            raise OSError(error.errno, error.strerror, path) from error
        raise
