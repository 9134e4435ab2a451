"""Directories that are written whole or not at all."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole_directory(directory: Path, replace: bool = False) -> Iterator[Path]:
    """Gives a temporary directory to write to, which becomes `directory` at the end of the block.

    A block that fails leaves `directory` as it is, and no temporary one.

    Args:
        directory: Path. Its parents are created. A link is followed.
        replace: bool. Whether `directory` may hold something, which is then deleted.

    Yields:
        Path. A temporary directory beside it.

    Raises:
        OSError: for example if `directory` holds something and may not be replaced.

    Example:

    >>> directory = Path(tempfile.mkdtemp()) / "export"
    >>> with whole_directory(directory) as temporary:
    ...     _ = (temporary / "model").write_text("all of it")
    ...     directory.exists()
    False
    >>> [path.name for path in directory.iterdir()]
    ['model']
    """
    directory = directory.resolve()  # a link stays a link
    directory.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=directory.parent))
    try:
        temporary.chmod(0o755)  # mkdtemp makes it private
        yield temporary
        if replace:
            _swap(temporary, directory)
        else:
            temporary.replace(directory)  # works if it is new or still empty
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _swap(temporary: Path, directory: Path) -> None:
    """Puts the new directory in place of the old, which is deleted last."""
    old = directory.with_name(f".{directory.name}-old-{os.getpid()}")
    try:
        if directory.exists():
            directory.rename(old)
        temporary.rename(directory)
    except BaseException:  # also an interrupt between the two
        if old.exists() and not directory.exists():
            old.rename(directory)
        raise
    shutil.rmtree(old, ignore_errors=True)
