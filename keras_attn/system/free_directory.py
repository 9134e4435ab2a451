"""Whether a directory can be written without touching anything that is there."""

from pathlib import Path


def is_free(directory: Path) -> bool:
    """Whether a path is new, or an empty directory.

    Args:
        directory: Path.

    Example:

    >>> is_free(Path("a directory that nobody made")), is_free(Path("/"))
    (True, False)
    """
    return not directory.exists() or (directory.is_dir() and not any(directory.iterdir()))
