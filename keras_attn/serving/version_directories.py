"""The numbered directories of a model: a new version appears whole, or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from keras_attn.serving.static_checks import is_version_name

_TAKEN = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}


def versions_in(directory: Path) -> dict[int, Path]:
    """The versions that a server finds in a model's directory.

    Args:
        directory: Path. The model's directory.

    Returns:
        dict of int to Path.

    Raises:
        OSError: if the directory cannot be read.
    """
    return {int(path.name): path for path in directory.iterdir() if is_version_name(path.name)}


def check_model_directory(directory: Path) -> None:
    """Checks that versions may be written into a directory, which need not exist.

    Args:
        directory: Path. The model's directory.

    Raises:
        ValueError: if it is a file, a version itself, a run or a translator.
    """
    rule = "`directory` must be a model's directory, which will hold its numbered versions"
    if directory.exists() and not directory.is_dir():
        raise ValueError(f"{rule}. Received: {directory}, which is a file.")
    if any((directory / name).is_file() for name in ("run.json", "translator.json")):
        raise ValueError(
            f"{rule}. Received: {directory}, which is a run or a saved translator. Did you mean to "
            "export it, to a directory of its own?"
        )
    if (directory / "saved_model.pb").exists() or is_version_name(directory.resolve().name):
        raise ValueError(
            f"{rule}. Received: {directory}, which looks like a version directory. "
            f"Did you mean {directory.resolve().parent}?"
        )


@contextlib.contextmanager
def temporary_version(directory: Path) -> Iterator[Path]:
    """Makes a directory that no server takes for a version, and removes it afterwards.

    Args:
        directory: Path. The model's directory; created if it is missing, and then removed again if
            nothing was published in it.

    Yields:
        Path of the new directory, on the same file system as the versions.
    """
    made = [path for path in (directory, *directory.parents) if not path.exists()]
    temporary = directory / f".export-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        temporary.mkdir(parents=True)
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        with contextlib.suppress(OSError):  # not empty: something was published
            for path in made:
                path.rmdir()


def publish(temporary: Path, directory: Path) -> Path:
    """Renames a complete version to the next number, in one step.

    If two exports run at the same time, one finds its number taken and uses the next.

    Args:
        temporary: Path. The complete version.
        directory: Path. The model's directory.

    Returns:
        Path of the version directory.
    """
    version = max(versions_in(directory), default=0) + 1
    while True:
        target = directory / str(version)
        try:
            os.rename(temporary, target)
            return target
        except OSError as error:
            if error.errno not in _TAKEN:
                raise
            version += 1
