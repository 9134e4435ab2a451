"""The log: bounded, without text, readable even if damaged."""

from __future__ import annotations

import builtins
import os

import pytest

from keras_attn.serving.monitoring import (
    LineFacts,
    TrafficLog,
    describe_line,
    read_traffic,
    traffic_log,
)

ROW = {
    "translation": "Hallo Hallo Hallo Hallo",
    "source_tokens": 3,
    "target_tokens": 5,
    "unknown_tokens": 1,
    "log_probability": -2.5,
    "truncated": False,
}


def test_a_line_becomes_numbers() -> None:
    facts = describe_line("\u00c4 secret 7", ROW, version=2, seconds=0.25)
    assert (facts.characters, facts.capitals, facts.not_ascii) == (10, round(1 / 7, 3), 0.1)
    assert facts.faults == ("loop", "number") and facts.version == 2
    assert LineFacts.from_dict(facts.to_dict()) == facts


def test_no_text_is_kept(tmp_path) -> None:
    log = TrafficLog(tmp_path / "traffic.jsonl")
    log.write([describe_line("a secret line", ROW)])
    log.close()
    content = (tmp_path / "traffic.jsonl").read_text()
    assert "secret" not in content and "Hallo" not in content


def test_the_log_is_bounded_and_read_in_order(tmp_path) -> None:
    log = TrafficLog(tmp_path / "traffic.jsonl", most_bytes=5000, files=2)
    written = [describe_line("x" * i, ROW) for i in range(100)]
    log.write(written)
    log.close()
    files = sorted(tmp_path.iterdir())
    assert [one.name for one in files] == ["traffic.jsonl", "traffic.jsonl.1", "traffic.jsonl.2"]
    assert all(one.stat().st_size <= 5000 for one in files)
    lines, damaged = read_traffic(tmp_path / "traffic.jsonl")
    assert damaged == 0 and 10 < len(lines) < 100 and lines == written[-len(lines) :]


def test_damaged_lines_are_counted(tmp_path) -> None:
    path = tmp_path / "traffic.jsonl"
    log = TrafficLog(path)
    log.write([describe_line("x", ROW)] * 2)
    log.close()
    with open(path, "ab") as file:
        file.write(b'{"time": 1\n\xff\n[]\n{"time": "x", "faults": []}\n')
    lines, damaged = read_traffic(path)
    assert len(lines) == 2 and damaged == 4
    with pytest.raises(FileNotFoundError):
        read_traffic(tmp_path / "missing.jsonl")


def numbered(count: int, first: int = 0) -> list[LineFacts]:
    return [describe_line("x" * i, ROW) for i in range(first, first + count)]


@pytest.mark.parametrize("moment", [0, 1, 2, 3])
def test_a_rotation_while_the_log_is_read_loses_and_repeats_nothing(
    tmp_path, monkeypatch, moment
) -> None:
    path = tmp_path / "traffic.jsonl"
    log = TrafficLog(path, most_bytes=1000, files=9)
    written = numbered(16)
    log.write(written)
    assert len(list(tmp_path.iterdir())) > 3
    opened = []

    def open_and_rotate(name, *arguments, **options):
        opened.append(name)
        if len(opened) == moment + 1:  # as another process would do it now
            later = numbered(6, first=16)
            written.extend(later)
            log.write(later)
        return builtins.open(name, *arguments, **options)

    monkeypatch.setattr(traffic_log, "open", open_and_rotate, raising=False)
    lines, damaged = read_traffic(path)
    assert damaged == 0 and lines == written
    log.close()


def test_a_log_whose_newest_file_is_not_there_yet(tmp_path, monkeypatch) -> None:
    path = tmp_path / "traffic.jsonl"
    log = TrafficLog(path)
    log.write(numbered(2))
    log.close()
    path.rename(f"{path}.1")  # the first half of a rotation
    monkeypatch.setattr(traffic_log.time, "sleep", lambda seconds: path.touch())
    lines, damaged = read_traffic(path)
    assert [one.characters for one in lines] == [0, 1] and damaged == 0
    monkeypatch.setattr(traffic_log.time, "sleep", lambda seconds: None)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        read_traffic(path)


def test_two_logs_of_one_file_keep_its_order_and_bounds(tmp_path) -> None:
    path = tmp_path / "traffic.jsonl"
    logs = [TrafficLog(path, most_bytes=2000, files=9) for _ in range(2)]  # as in two processes
    written = numbered(40)
    for i, line in enumerate(written):
        logs[i % 3 % 2].write([line])
    for log in logs:
        log.close()
    assert read_traffic(path) == (written, 0)
    assert all(one.stat().st_size <= 2000 for one in tmp_path.iterdir())


def test_half_a_line_of_an_earlier_process_spoils_no_other(tmp_path) -> None:
    path = tmp_path / "traffic.jsonl"
    path.write_text('{"time": 17')
    log = TrafficLog(path)
    log.write(numbered(2))
    log.close()
    lines, damaged = read_traffic(path)
    assert [one.characters for one in lines] == [0, 1] and damaged == 1


def test_a_log_that_is_removed_is_begun_again(tmp_path) -> None:
    path = tmp_path / "traffic.jsonl"
    log = TrafficLog(path)
    log.write(numbered(2))
    path.unlink()
    log.write(numbered(3, first=2))
    log.close()
    assert [one.characters for one in read_traffic(path)[0]] == [2, 3, 4]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_a_warning_and_not_an_error(tmp_path, capsys) -> None:
    path = tmp_path / "traffic.jsonl"
    path.symlink_to("/dev/full")
    log = TrafficLog(path)
    with pytest.warns(UserWarning, match="The traffic log cannot be written.*No space left"):
        log.write(numbered(2))
    path.unlink()  # there is space again
    log.write(numbered(1))
    log.close()
    assert len(read_traffic(path)[0]) == 1 and capsys.readouterr().err == ""
