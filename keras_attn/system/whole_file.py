"""Files that are written whole or not at all, even if the process is killed."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

_PARTIAL = ".partial."
# Errors of some file systems, and of directories that may be written but not listed.
_CANNOT_SYNC_A_DIRECTORY = (errno.EACCES, errno.EPERM, errno.EINVAL, errno.ENOTSUP)


@contextlib.contextmanager
def whole_file(path: str | os.PathLike) -> Iterator[Path]:
    """Gives a temporary path to write to; at the end of the block, that file replaces `path`.

    The new contents are synced before the rename, and the directory after it. A block that fails
    leaves the old file in place and no temporary one. A process that is killed can leave a
    temporary file, which `remove_partial_files` finds.

    Args:
        path: path. The final file, in a directory that exists. A link is followed. If the file
            exists, the new file gets its permissions.

    Yields:
        Path. A temporary file in the same directory, with the same ending.

    Raises:
        OSError: for example if the disk is full, or the directory cannot be written.

    Example:

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "report.txt"
    >>> with whole_file(path) as temporary:
    ...     _ = temporary.write_text("all of it")
    ...     path.exists()
    False
    >>> path.read_text()
    'all of it'
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f"{_PARTIAL}{os.getpid()}.{target.name}")
    try:
        temporary.unlink(missing_ok=True)  # left by a killed process with the same id
        yield temporary
        _sync(temporary)
        if target.exists():
            temporary.chmod(target.stat().st_mode & 0o777)
        os.replace(temporary, target)
    finally:
        with contextlib.suppress(OSError):  # an earlier error matters more
            temporary.unlink(missing_ok=True)
    try:
        _sync(target.parent)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC_A_DIRECTORY:
            raise


def remove_partial_files(directory: str | os.PathLike) -> None:
    """Deletes the temporary files that killed processes left in a directory.

    Args:
        directory: path. A directory in which no other process is writing.
    """
    for path in Path(directory).glob(f"{_PARTIAL}*"):
        if path.is_file():
            path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Waits until a file, or the names in a directory, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
