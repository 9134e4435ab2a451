"""Files of any file system that Beam knows: local paths, `gs://`, `s3://`, `hdfs://` ..."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from typing import Any

from keras_attn.bulk.beam_engine import BeamIOError, CompressionTypes, FileSystems


def is_local(path: str) -> bool:
    """Whether a path is on this machine."""
    return FileSystems.get_scheme(path) is None


def absolute(path: str | os.PathLike[str]) -> str:
    """The absolute path, which is valid in any working directory."""
    path = os.fspath(path)
    return os.path.abspath(path) if is_local(path) else path


def open_file(path: str) -> Any:
    """Opens a file without decompressing it; by default Beam decompresses by the file name."""
    return FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)


def create_file(path: str) -> Any:
    """Opens a new file, without compressing it."""
    return FileSystems.create(path, compression_type=CompressionTypes.UNCOMPRESSED)


def find_files(patterns: Sequence[str]) -> list[str]:
    """Finds files.

    Args:
        patterns: sequence of str. Each a file, or a pattern with `*`, `?` or `[...]`.

    Returns:
        list of str, in the order of the patterns, and sorted by name within a pattern. A path is
        relative if its pattern is.

    Raises:
        ValueError: if a pattern matches nothing, or a file is found twice.
    """
    found: list[str] = []
    for pattern in patterns:
        paths = _matches(absolute(pattern))
        if is_local(pattern) and not os.path.isabs(pattern):
            paths = [os.path.relpath(path) for path in paths]
        if not paths:
            raise ValueError(
                "`inputs` must be files that exist, or patterns that match files. "
                f"Received: {pattern}."
            )
        found += paths
    seen: set[str] = set()
    for path in found:
        if absolute(path) in seen:
            raise ValueError(f"`inputs` must match every file only once. Received: {path} twice.")
        seen.add(absolute(path))
    return found


def _matches(pattern: str) -> list[str]:
    """The files that match a pattern, or only the local file whose name equals the pattern."""
    try:
        if is_local(pattern) and os.path.exists(pattern):
            return [] if os.path.isdir(pattern) else [pattern]
        (result,) = FileSystems.match([pattern])
    except (BeamIOError, ValueError) as error:
        raise ValueError(
            f"`inputs` must be on a file system that Beam can read. Received: {pattern} ({error})."
        ) from error
    return sorted(metadata.path for metadata in result.metadata_list)


def delete_directory(directory: str) -> None:
    """Deletes a directory of files if possible; ignores failures."""
    with contextlib.suppress(BeamIOError, OSError):
        (result,) = FileSystems.match([FileSystems.join(directory, "*")])
        FileSystems.delete([metadata.path for metadata in result.metadata_list])
    if is_local(directory):
        with contextlib.suppress(OSError):
            os.rmdir(directory)
