"""`whole_file`: the new contents, or the old, and nothing beside them."""

import contextlib
import errno
import multiprocessing
import os
import signal

import pytest

from keras_attn.system.whole_file import remove_partial_files, whole_file


def test_the_name_is_taken_at_the_end_of_the_block(tmp_path):
    path = tmp_path / "report.json"
    path.write_text("old")
    with whole_file(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.parent == path.parent and temporary.suffix == ".json"
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["report.json"]


@pytest.mark.parametrize("error", [OSError("no space"), KeyboardInterrupt()])
def test_a_block_that_fails_changes_nothing(tmp_path, error):
    path = tmp_path / "report.json"
    path.write_text("old")
    with pytest.raises(type(error)), whole_file(path) as temporary:
        temporary.write_text("ne")
        raise error
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["report.json"]


def test_a_link_stays_a_link_and_permissions_stay(tmp_path):
    path, link = tmp_path / "report.json", tmp_path / "latest.json"
    path.write_text("old")
    path.chmod(0o640)
    link.symlink_to(path)
    with whole_file(link) as temporary:
        temporary.write_text("new")
    assert link.is_symlink() and path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_directory_that_is_not_there_is_an_error_of_its_own(tmp_path):
    with (
        pytest.raises(FileNotFoundError, match="nowhere"),
        whole_file(tmp_path / "nowhere" / "a") as temporary,
    ):
        temporary.write_text("new")


def test_contents_and_name_are_synced_in_this_order(tmp_path, monkeypatch):
    path, calls = tmp_path / "report.json", []
    replace, fsync = os.replace, os.fsync

    def note_fsync(descriptor):
        calls.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    def note_replace(source, target):
        calls.append("replace")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    with whole_file(path) as temporary:
        temporary.write_text("new")
    assert calls == [str(temporary), "replace", str(tmp_path)]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EIO])
def test_a_directory_that_cannot_be_synced_is_no_error_and_a_failing_disk_is(
    tmp_path, monkeypatch, number
):
    fsync = os.fsync

    def refuse_directories(descriptor):
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse_directories)
    is_error = number == errno.EIO
    with (
        pytest.raises(OSError, match="output error") if is_error else contextlib.nullcontext(),
        whole_file(tmp_path / "report.json") as temporary,
    ):
        temporary.write_text("new")
    assert (tmp_path / "report.json").read_text() == "new"


def _be_killed(path):
    with whole_file(path) as temporary:
        temporary.write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)


def test_what_a_killed_process_left_can_be_removed(tmp_path):
    (tmp_path / "report.json").write_text("old")
    process = multiprocessing.get_context("spawn").Process(
        target=_be_killed, args=(tmp_path / "report.json",)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert len(os.listdir(tmp_path)) == 2
    remove_partial_files(tmp_path)
    assert os.listdir(tmp_path) == ["report.json"]
    assert (tmp_path / "report.json").read_text() == "old"
