"""Inputs and outputs on a file system that only Beam knows, as in a cloud."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from apache_beam.io.filesystem import FileMetadata
from apache_beam.io.localfilesystem import LocalFileSystem

from keras_attn.bulk import BulkError, BulkReport, translate_files
from keras_attn.translator import Translator

SCHEME = "elsewhere"


class ElsewhereFileSystem(LocalFileSystem):
    """A directory of this machine that no program but this one can find."""

    root: ClassVar[Path]

    @classmethod
    def scheme(cls) -> str:
        return SCHEME

    def here(self, path: str) -> str:
        # What the parent class does with a path that is one of this machine's already.
        return str(self.root / path.removeprefix(f"{SCHEME}://"))

    def _list(self, dir_or_prefix: str) -> Iterator[FileMetadata]:
        for metadata in super()._list(self.here(dir_or_prefix)):
            name = os.path.relpath(metadata.path, self.root)
            yield FileMetadata(f"{SCHEME}://{name}", metadata.size_in_bytes)

    def create(self, path: str, *arguments: Any, **options: Any) -> Any:
        return super().create(self.here(path), *arguments, **options)

    def open(self, path: str, *arguments: Any, **options: Any) -> Any:
        return super().open(self.here(path), *arguments, **options)

    def rename(self, source_file_names: list[str], destination_file_names: list[str]) -> None:
        sources = [self.here(path) for path in source_file_names]
        super().rename(sources, [self.here(path) for path in destination_file_names])

    def exists(self, path: str) -> bool:
        return super().exists(self.here(path))

    def metadata(self, path: str) -> FileMetadata:
        return FileMetadata(path, os.path.getsize(self.here(path)))

    def delete(self, paths: list[str]) -> None:
        for path in paths:
            os.remove(self.here(path))


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory; the working directory is another one, and stays empty."""
    ElsewhereFileSystem.root = tmp_path / "elsewhere"
    ElsewhereFileSystem.root.mkdir()
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    return ElsewhereFileSystem.root


def translate_elsewhere(translator_directory: Path, name: str) -> BulkReport:
    """Translates files to one shard, `out/de`."""
    return translate_files(
        translator_directory,
        [f"{SCHEME}://{name}"],
        f"{SCHEME}://out/de",
        num_shards=1,
        options=["--runner=FnApiRunner"],
    )


def test_files_far_away_are_translated_to_there(
    elsewhere: Path, translator_directory: Path, translator: Translator
) -> None:
    (elsewhere / "in").mkdir()
    for name, lines in (("b", ["three", ""]), ("a", ["one", "two"])):
        (elsewhere / "in" / name).write_text("".join(f"{line}\n" for line in lines))
    report = translate_elsewhere(translator_directory, "in/*")
    assert report.shards == (f"{SCHEME}://out/de-00000-of-00001",)
    content = (elsewhere / "out" / "de-00000-of-00001").read_bytes()
    texts = translator.translate(["one", "two", "three", ""])
    wanted = [text.replace("\n", " ").replace("\r", " ") for text in texts]
    assert content.decode().split("\n") == [*wanted, ""]
    assert list(Path.cwd().iterdir()) == []
    left = sorted(path.name for path in (elsewhere / "out").rglob("*") if path.is_file())
    assert left == ["de-00000-of-00001", "de.report.json"]


def test_two_runs_far_away_do_not_mix_their_shards(
    elsewhere: Path, translator_directory: Path
) -> None:
    (elsewhere / "a").write_text("one\n")
    claim = elsewhere / "out" / ".de-0c1d2e3f.partial" / "running"
    claim.parent.mkdir(parents=True)
    claim.touch()
    with pytest.raises(ValueError, match="must not be in use by another run"):
        translate_elsewhere(translator_directory, "a")
    assert [path for path in (elsewhere / "out").rglob("*") if path.is_file()] == [claim]


def test_a_failure_far_away_leaves_no_file(
    elsewhere: Path, translator_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (elsewhere / "a").write_text("one\n")
    monkeypatch.setattr(Translator, "load", lambda directory, num_beams: None)
    with pytest.raises(BulkError, match="^The pipeline failed: 'NoneType' object"):
        translate_elsewhere(translator_directory, "a")
    assert [path for path in (elsewhere / "out").rglob("*") if path.is_file()] == []
