"""A queue of doubtful translations is bounded, and takes those of several threads."""

from __future__ import annotations

import json
import threading

import pytest

from keras_attn.lines import ReviewQueue
from keras_attn.lines.translation import Translation


def doubtful(number: int) -> Translation:
    return Translation(f"source {number}", "text", confidence=0.1)


def test_a_full_queue_counts_what_it_does_not_write(tmp_path) -> None:
    with ReviewQueue(tmp_path / "queue", below=0.5, most=3) as queue:
        queue.take([doubtful(i) for i in range(5)])
    assert (queue.count, queue.dropped) == (5, 2)
    assert len((tmp_path / "queue").read_text().splitlines()) == 3


def test_several_threads_and_a_second_run_append_whole_lines(tmp_path) -> None:
    for _ in range(2):
        with ReviewQueue(tmp_path / "queue") as queue:
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


def test_a_translation_without_confidence_is_refused(tmp_path) -> None:
    with ReviewQueue(tmp_path / "queue") as queue:
        with pytest.raises(ValueError, match="keras-attn calibrate"):
            queue.take([Translation("a", "b")])


@pytest.mark.parametrize("options", [{"below": 0.0}, {"below": 1.5}, {"most": 0}])
def test_wrong_options(tmp_path, options) -> None:
    with pytest.raises(ValueError, match=f"`{next(iter(options))}` must be"):
        ReviewQueue(tmp_path / "queue", **options)
