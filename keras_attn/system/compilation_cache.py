"""The cache of programs that XLA compiled, which later processes use again."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import shutil
import time
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from keras_attn.system.processor import describe_core, num_cores

DIRECTORY_VARIABLE = "KERAS_ATTN_CACHE"
FLAGS_VARIABLE = "TF_XLA_FLAGS"
_DIRECTORY_FLAG = "--tf_xla_persistent_cache_directory"
_READ_ONLY_FLAG = "--tf_xla_persistent_cache_read_only"
LARGEST_CACHE_BYTES = 2 * 2**30
# TensorFlow fails if it cannot write an entry, so with less free space the cache is read-only.
SMALLEST_FREE_BYTES = 2**30
SECONDS_OF_WRITING = 60  # no entry takes longer to write


def use_compilation_cache(environment: MutableMapping[str, str] = os.environ) -> Path | None:
    """Tells TensorFlow to keep what XLA compiles; `import keras_attn` does this.

    TensorFlow reads the setting when it runs its first operation; a later change has no effect. The
    directory is `KERAS_ATTN_CACHE`, by default `keras_attn` in the user's cache directory. It has a
    subdirectory for each TensorFlow version, kind of processor, number of cores and `XLA_FLAGS`.
    The cache is off if `KERAS_ATTN_CACHE` is set to an empty string, or if `TF_XLA_FLAGS` already
    names a cache directory. The directory may be deleted at any time. Above 2 GiB, the least
    recently used entries are deleted.

    Args:
        environment: mapping. The environment variables, changed in place.

    Returns:
        Path of the cache, or None if it is off.

    Example:
    >>> use_compilation_cache({"KERAS_ATTN_CACHE": ""}) is None
    True
    """
    root, flags = cache_directory(environment), environment.get(FLAGS_VARIABLE, "")
    if root is None or _DIRECTORY_FLAG in flags:
        return None
    directory = root / "xla" / _kind_of_machine(environment)
    if any(character.isspace() for character in str(directory)):
        return None  # flags are separated by blanks
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _tidy(directory)
        is_writable = os.access(directory, os.W_OK)
        has_space = shutil.disk_usage(directory).free >= SMALLEST_FREE_BYTES
    except OSError:
        return None  # the home is read-only or missing: compile every time
    flags = f"{flags} {_DIRECTORY_FLAG}={directory}"
    if not (is_writable and has_space):
        flags += f" {_READ_ONLY_FLAG}=true"
    environment[FLAGS_VARIABLE] = flags.strip()
    return directory


def cache_directory(environment: Mapping[str, str] = os.environ) -> Path | None:
    """The directory for what this package would otherwise make again: `KERAS_ATTN_CACHE`.

    Args:
        environment: mapping. The environment variables.

    Returns:
        Path, by default `keras_attn` in the user's cache directory; None if the variable is empty,
        or the user has no home directory.

    Example:
    >>> cache_directory({"XDG_CACHE_HOME": "/caches"}).name
    'keras_attn'
    """
    named = environment.get(DIRECTORY_VARIABLE)
    cache_home = environment.get("XDG_CACHE_HOME")
    try:
        if named is not None:
            return Path(named).expanduser().absolute() if named else None
        return (Path(cache_home) if cache_home else Path.home() / ".cache") / "keras_attn"
    except RuntimeError:  # as for the user of a container
        return None


def _kind_of_machine(environment: MutableMapping[str, str]) -> str:
    """A name for what programs depend on: TensorFlow, XLA's flags, the processor and its cores."""
    try:
        version = importlib.metadata.version("tensorflow")
    except importlib.metadata.PackageNotFoundError:
        version = "unknown"
    facts = [platform.machine(), str(num_cores()), environment.get("XLA_FLAGS", "")]
    core = describe_core()
    facts += [core[name] for name in ("model name", "flags", "Features") if name in core]
    facts.append(platform.processor())  # for systems other than Linux
    digest = hashlib.sha256("\n".join(facts).encode()).hexdigest()[:12]
    return f"tensorflow-{version}-{digest}"


def _tidy(directory: Path) -> None:
    """Deletes empty entries left by a crash, and the least recently used ones above the limit."""
    entries = []
    for entry in os.scandir(directory):
        try:
            state = entry.stat()
        except FileNotFoundError:
            continue  # another process has just renamed it
        last_used = max(state.st_atime, state.st_mtime)
        # Another process may be about to fill a new empty entry.
        if entry.is_file() and state.st_size == 0 and time.time() - last_used > SECONDS_OF_WRITING:
            _delete(entry.path)
        elif entry.is_file():
            entries.append((last_used, state.st_size, entry.path))
    size = sum(entry[1] for entry in entries)
    for _, entry_size, path in sorted(entries):
        if size <= LARGEST_CACHE_BYTES:
            break
        _delete(path)
        size -= entry_size


def _delete(path: str) -> None:
    try:
        os.unlink(path)
    except (FileNotFoundError, PermissionError):
        pass  # another process was faster, or the entry belongs to another user
