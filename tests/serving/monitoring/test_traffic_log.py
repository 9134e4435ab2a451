"""The log: bounded, without text, readable even if damaged."""

from __future__ import annotations

import pytest

from keras_attn.serving.monitoring import LineFacts, TrafficLog, describe_line, read_traffic

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
