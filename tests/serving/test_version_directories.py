"""A new version gets a number of its own, whoever else exports at the same moment."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from keras_attn.serving.version_directories import publish, temporary_version


def write_and_publish(directory: Path, content: str, barrier: threading.Barrier) -> None:
    with temporary_version(directory) as temporary:
        (temporary / "saved_model.pb").write_text(content)
        barrier.wait(timeout=30)
        publish(temporary, directory)


def test_exports_at_the_same_time_get_different_versions(tmp_path) -> None:
    barrier = threading.Barrier(9)
    threads = [
        threading.Thread(target=write_and_publish, args=(tmp_path, f"export {i}", barrier))
        for i in range(9)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {path.name for path in tmp_path.iterdir()} == {str(i) for i in range(1, 10)}
    written = {path.read_text() for path in tmp_path.glob("*/saved_model.pb")}
    assert written == {f"export {i}" for i in range(9)}


def test_only_names_that_a_server_reads_as_versions_count(tmp_path) -> None:
    for name in ("0012", "v99", "40.old", ".50"):
        (tmp_path / name).mkdir()
    (tmp_path / "13").write_text("a file")
    with temporary_version(tmp_path) as temporary:
        assert publish(temporary, tmp_path) == tmp_path / "14"


def test_an_error_inside_removes_what_was_written(tmp_path) -> None:
    with pytest.raises(RuntimeError), temporary_version(tmp_path / "a" / "b") as temporary:
        (temporary / "saved_model.pb").write_text("half")
        assert not temporary.name.isdigit()
        raise RuntimeError("disk full")
    assert list(tmp_path.iterdir()) == []
