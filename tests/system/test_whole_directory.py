"""A directory appears whole, or not at all."""

import os
from pathlib import Path

import pytest

from keras_attn.system.whole_directory import whole_directory


def write(directory, **options):
    with whole_directory(directory, **options) as temporary:
        (temporary / "new").write_text("new")


def test_it_appears_at_the_end_of_the_block(tmp_path):
    directory = tmp_path / "deep" / "export"
    with whole_directory(directory) as temporary:
        (temporary / "model").write_text("all of it")
        assert not directory.exists() and temporary.parent == directory.parent
    assert os.listdir(directory) == ["model"] and os.listdir(directory.parent) == ["export"]
    assert directory.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("replace", [False, True])
def test_a_block_that_fails_changes_nothing(tmp_path, replace):
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "old").write_text("old")
    with pytest.raises(KeyboardInterrupt), whole_directory(tmp_path / "export", replace):
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == ["export"] and os.listdir(tmp_path / "export") == ["old"]


def test_what_is_there_is_replaced_only_if_it_may_be(tmp_path):
    directory, link = tmp_path / "export", tmp_path / "latest"
    directory.mkdir()
    link.symlink_to(directory)
    write(link)  # an empty one gives way
    (directory / "old").write_text("old")
    with pytest.raises(OSError):
        write(link)
    assert sorted(os.listdir(directory)) == ["new", "old"]
    write(link, replace=True)
    assert os.listdir(directory) == ["new"] and link.is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["export", "latest"]


def test_an_interrupt_between_two_renames_leaves_the_old_one(tmp_path, monkeypatch):
    directory = tmp_path / "model"
    directory.mkdir()
    (directory / "file").write_text("old")
    rename = Path.rename

    def interrupted(path, target):
        if "-old-" not in target.name and "-old-" not in path.name:
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt), whole_directory(directory, replace=True) as temporary:
        (temporary / "file").write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (directory / "file").read_text() == "old"
