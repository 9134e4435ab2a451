"""Files of any file system that Beam knows: local paths, `gs://`, `s3://`, `hdfs://` ..."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
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
        paths = _matches(pattern)
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
    if is_local(pattern):  # not by Beam, which would take the working directory for a pattern too
        paths = [pattern] if os.path.exists(pattern) else glob.glob(pattern, recursive=True)
        return sorted(path for path in paths if not os.path.isdir(path))
    try:
        (result,) = FileSystems.match([pattern])
    except (BeamIOError, ValueError) as error:
        raise ValueError(
            f"`inputs` must be on a file system that Beam can read. Received: {pattern} ({error})."
        ) from error
    return sorted(metadata.path for metadata in result.metadata_list)


def find_named(prefix: str, endings: Sequence[str]) -> list[str]:
    """Finds the files of a name, which may have any characters, and an ending.

    Args:
        prefix: str. The absolute path without its ending.
        endings: sequence of str. The endings, with `?` for any character.

    Returns:
        list of str.
    """
    if is_local(prefix):
        return [path for one in endings for path in glob.glob(glob.escape(prefix) + one)]
    results = FileSystems.match([prefix + one for one in endings])
    return [metadata.path for result in results for metadata in result.metadata_list]


def delete_directory(directory: str) -> None:
    """Deletes a directory of files if possible; ignores failures."""
    if is_local(directory):
        shutil.rmtree(directory, ignore_errors=True)
        return
    with contextlib.suppress(BeamIOError, OSError):
        (result,) = FileSystems.match([FileSystems.join(directory, "*")])
        FileSystems.delete([metadata.path for metadata in result.metadata_list])
