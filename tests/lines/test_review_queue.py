"""A queue of doubtful translations is bounded, and takes those of several threads."""

from __future__ import annotations

import errno
import io
import json
import os
import threading

import pytest

from keras_attn.lines import ReviewQueue, read_corrections
from keras_attn.lines.translation import Translation


def doubtful(number: int) -> Translation:
    return Translation(f"source {number}", "text", confidence=0.1)


def test_a_full_queue_counts_what_it_does_not_write(tmp_path) -> None:
    queue = ReviewQueue(tmp_path / "queue", below=0.5, most=3)
    queue.take([doubtful(i) for i in range(5)])
    assert (queue.count, queue.dropped) == (5, 2)
    again = ReviewQueue(tmp_path / "queue", below=0.5, most=4)  # the most lines of the file
    again.take([doubtful(5), doubtful(6)])
    assert (again.count, again.dropped) == (2, 1)
    assert len((tmp_path / "queue").read_text().splitlines()) == 4


def test_several_threads_and_a_second_run_append_whole_lines(tmp_path) -> None:
    for _ in range(2):
        queue = ReviewQueue(tmp_path / "queue")
        threads = [
            threading.Thread(target=queue.take, args=([doubtful(i)] * 200,)) for i in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    records = [json.loads(line) for line in (tmp_path / "queue").read_text().splitlines()]
    assert len(records) == 1600
    assert {one["source"] for one in records} == {f"source {i}" for i in range(4)}


def test_a_full_disk_leaves_no_half_line(tmp_path, monkeypatch) -> None:
    class Full(io.FileIO):
        def write(self, content):
            if self.tell() > 100:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(bytes(content[:60]))

    path = tmp_path / "queue"
    queue = ReviewQueue(path)
    queue.take([doubtful(0)])
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("builtins.open", lambda name, mode, buffering: Full(name, "a+"))
        with pytest.warns(UserWarning, match="cannot be written"):
            queue.take([doubtful(1)])
    assert path.read_bytes() == before and queue.dropped == 1
    queue.take([doubtful(2)])
    assert read_corrections(path) == []


def test_a_byte_order_mark_is_not_part_of_the_queue(tmp_path) -> None:
    record = {"source": "a", "translation": "b", "confidence": 0.1, "correction": "c"}
    (tmp_path / "queue").write_text(json.dumps(record), encoding="utf-8-sig")
    assert read_corrections(tmp_path / "queue") == [("a", "c")]


def test_a_translation_without_confidence_is_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match="keras-attn calibrate"):
        ReviewQueue(tmp_path / "queue").take([Translation("a", "b")])


def test_an_editor_may_replace_the_file_and_leave_the_last_line_open(tmp_path) -> None:
    queue = ReviewQueue(tmp_path / "queue")
    queue.take([doubtful(0)])
    record = json.loads((tmp_path / "queue").read_text())
    (tmp_path / "saved").write_text(json.dumps({**record, "correction": "better"}))
    (tmp_path / "saved").rename(tmp_path / "queue")
    queue.take([doubtful(1)])
    lines = (tmp_path / "queue").read_text().splitlines()
    assert [json.loads(line)["source"] for line in lines] == ["source 0", "source 1"]
    assert read_corrections(tmp_path / "queue") == [("source 0", "better")]


@pytest.mark.parametrize(
    "line", [b'{"source": 5, "correction": "x"}', b'{"source": "\xff", "correction": "x"}', b"[]"]
)
def test_a_line_that_is_not_from_a_queue_is_named(tmp_path, line) -> None:
    good = json.dumps({"source": "a\u2028", "correction": "b"}, ensure_ascii=False).encode()
    (tmp_path / "queue").write_bytes(good + b"\n\n" + line + b"\n")
    with pytest.raises(ValueError, match=r"^Line 3 of .*queue must be a line of a review queue"):
        read_corrections(tmp_path / "queue")


def test_a_disk_that_is_full_is_a_warning(tmp_path) -> None:
    queue = ReviewQueue(tmp_path / "queue")
    (tmp_path / "queue").unlink()
    (tmp_path / "queue").mkdir()
    with pytest.warns(UserWarning, match="cannot be written"):
        queue.take([doubtful(0)])
    assert (queue.count, queue.dropped) == (1, 1)


@pytest.mark.parametrize("options", [{"below": 0.0}, {"below": 1.5}, {"most": 0}])
def test_wrong_options(tmp_path, options) -> None:
    with pytest.raises(ValueError, match=f"`{next(iter(options))}` must be"):
        ReviewQueue(tmp_path / "queue", **options)


def test_what_has_no_end_is_no_queue(tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", os.devnull):
        with pytest.raises(ValueError, match="`path` must be a file, which is read to its end"):
            ReviewQueue(path)
