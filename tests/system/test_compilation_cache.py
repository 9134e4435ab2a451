"""Where compiled programs are kept, and that they are there for the next process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from keras_attn.system import compilation_cache
from keras_attn.system.compilation_cache import use_compilation_cache

COMPILE_SOMETHING = """
import keras_attn
import tensorflow as tf
function = tf.function(lambda x: tf.nn.softmax(x @ x), jit_compile=True)
print(function(tf.ones((3, 3))).numpy().sum())
"""


def test_the_directory_is_the_users_and_may_be_named(tmp_path: Path) -> None:
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    directory = use_compilation_cache(environment)
    assert directory is not None and directory.is_dir()
    assert directory.is_relative_to(tmp_path / "cache" / "keras_attn" / "xla")
    expected = f"--tf_xla_persistent_cache_directory={directory}"
    assert environment["TF_XLA_FLAGS"].split()[0] == expected

    environment = {"KERAS_ATTN_CACHE": str(tmp_path / "mine"), "TF_XLA_FLAGS": "--other=1"}
    directory = use_compilation_cache(environment)
    assert directory is not None and directory.is_relative_to(tmp_path / "mine")
    assert environment["TF_XLA_FLAGS"].startswith("--other=1 --tf_xla_persistent_cache_directory=")


@pytest.mark.parametrize(
    "environment",
    [{"KERAS_ATTN_CACHE": ""}, {"TF_XLA_FLAGS": "--tf_xla_persistent_cache_directory=/elsewhere"}],
)
def test_a_users_own_setting_stays(environment: dict[str, str]) -> None:
    before = dict(environment)
    assert use_compilation_cache(environment) is None
    assert environment == before


def test_a_place_that_cannot_be_used_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name in ("file", "with blanks"):
        environment = {"KERAS_ATTN_CACHE": str(tmp_path / name)}
        assert use_compilation_cache(environment) is None
        assert "TF_XLA_FLAGS" not in environment


@pytest.mark.parametrize("environment", [{}, {"KERAS_ATTN_CACHE": "~/cache"}])
def test_without_a_home_directory_there_is_no_cache(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(uid: int) -> None:
        raise KeyError(uid)  # as for a container's user without a line in /etc/passwd

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    before = dict(environment)
    assert use_compilation_cache(environment) is None
    assert environment == before


def test_a_full_disk_is_only_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilation_cache, "SMALLEST_FREE_BYTES", 2**60)
    environment = {"KERAS_ATTN_CACHE": str(tmp_path)}
    assert use_compilation_cache(environment) is not None
    assert "--tf_xla_persistent_cache_read_only=true" in environment["TF_XLA_FLAGS"]


def test_empty_entries_and_the_oldest_of_too_many_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {"KERAS_ATTN_CACHE": str(tmp_path)}
    directory = use_compilation_cache(dict(environment))
    assert directory is not None
    (directory / "empty.pb").write_bytes(b"")
    os.utime(directory / "empty.pb", (0, 0))
    (directory / "being_written.pb").write_bytes(b"")
    for age, name in enumerate(("new.pb", "older.pb", "oldest.pb")):
        (directory / name).write_bytes(b"x" * 100)
        os.utime(directory / name, (1e9 - age, 1e9 - age))
    monkeypatch.setattr(compilation_cache, "LARGEST_CACHE_BYTES", 250)
    use_compilation_cache(environment)
    assert sorted(path.name for path in directory.iterdir()) == [
        "being_written.pb",
        "new.pb",
        "older.pb",
    ]


@pytest.mark.slow
def test_the_next_process_finds_what_was_compiled(tmp_path: Path) -> None:
    environment = {**os.environ, "KERAS_ATTN_CACHE": str(tmp_path)}
    environment.pop("TF_XLA_FLAGS", None)  # which this process may have set for a cache of its own

    def entries() -> dict[str, int]:
        command = [sys.executable, "-c", COMPILE_SOMETHING]
        result = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        assert result.stdout.strip() == "3.0"
        return {path.name: path.stat().st_mtime_ns for path in tmp_path.rglob("*.pb")}

    first = entries()
    assert len(first) == 1
    assert entries() == first  # found, not written again
