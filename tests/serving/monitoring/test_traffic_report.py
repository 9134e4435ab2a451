"""Reports: by version, what has moved, and since when."""

from __future__ import annotations

import dataclasses
import json
import random

import pytest

from keras_attn.cli.main import main
from keras_attn.cli.monitor import _follow
from keras_attn.serving.monitoring import (
    LineFacts,
    TrafficLog,
    TrafficStatistics,
    describe_line,
    describe_lines,
    read_reference,
    report_traffic,
    write_reference,
)

from .test_traffic_log import ROW

LINES = [f"line {i} " + "word " * (i % 5) for i in range(12)]


def lines(count: int, first: float = 0.0, version: int | None = 1, **values) -> list[LineFacts]:
    """A line each second, of random length."""
    generator = random.Random(str((count, first)))
    made = []
    for i in range(count):
        tokens = generator.randint(3, 20)
        one = LineFacts(
            first + i, version, 0.1, 4 * tokens, 0.05, 0.0, tokens, tokens, 0, -0.4 * tokens, False
        )
        made.append(dataclasses.replace(one, **values))
    return made


REFERENCE = TrafficStatistics.of(lines(2000, -5000.0))


def test_quiet_traffic_has_no_alarm() -> None:
    (report,) = report_traffic(lines(500), REFERENCE)
    assert (report.version, report.lines, report.window.lines) == (1, 500, 200)
    assert report.alarms == [] and report.since == {} and report.less_sure_since is None
    assert report.seconds == {50: 0.1, 95: 0.1, 99: 0.1}


def test_what_has_moved_and_since_when() -> None:
    moved = lines(430, 600.0, capitals=0.9, log_probability=-30.0)
    (report,) = report_traffic(lines(600) + moved, REFERENCE, window=100)
    assert {"capitals", "log_probability_per_token"} <= {one.name for one in report.alarms}
    assert report.alarms[0].name in ("capitals", "log_probability_per_token")
    # Windows of 100 are counted from the end: 600 to 630 shares one with lines that are as before.
    assert 600 - 70 <= report.since["capitals"] <= 630
    assert abs(report.less_sure_since - 600) <= 3 and report.has_moved
    surer = lines(300, 600.0, log_probability=-0.1)
    (report,) = report_traffic(lines(600) + surer, REFERENCE, window=100)
    assert report.less_sure_since is None
    less_sure = lines(300, 900.0, log_probability=-30.0)
    (report,) = report_traffic(lines(600) + surer + less_sure, REFERENCE, window=200)
    assert abs(report.less_sure_since - 900) <= 3  # a rise before hides no fall


def test_each_version_is_judged_alone() -> None:
    mixed = [*lines(300, version=1), *lines(300, version=2, capitals=1.0), *lines(9, version=None)]
    reports = {one.version: one for one in report_traffic(mixed, REFERENCE)}
    assert list(reports) == [2, 1, None]
    assert not reports[1].alarms and reports[2].alarms[0].name == "capitals"


def test_wrong_windows() -> None:
    with pytest.raises(ValueError, match="`window` must be at least 1. Received: 0"):
        report_traffic([], REFERENCE, window=0)


def test_the_reference_beside_an_export(copy, translator) -> None:
    written = write_reference(copy, LINES)
    assert read_reference(copy) == written and written.lines == len(LINES)
    facts = describe_lines(copy, LINES)
    detailed = translator.translate_detailed(LINES)
    assert [one.target_tokens for one in facts] == [len(one.tokens) for one in detailed]
    assert [one.characters for one in facts] == list(map(len, LINES))
    path = copy / "assets.extra" / "reference_statistics.json"
    path.write_text("{")
    with pytest.raises(ValueError, match="is damaged"):
        read_reference(copy)
    path.unlink()
    with pytest.raises(ValueError, match="keras-attn export --reference FILE"):
        read_reference(copy)


@pytest.fixture
def log(tmp_path):
    (tmp_path / "reference.json").write_text(json.dumps(REFERENCE.to_dict()))

    def write(some):
        log = TrafficLog(tmp_path / "traffic.jsonl")
        log.write(some)
        log.close()
        return [str(tmp_path / "traffic.jsonl"), "--reference", str(tmp_path / "reference.json")]

    return write


def test_the_command_is_quiet_or_says_what_moved(log, capsys) -> None:
    arguments = log(lines(300))
    assert main(["monitor", *arguments]) == 0
    assert "version 1: 300 lines" in capsys.readouterr().out
    assert main(["monitor", *log(lines(300, 300.0, capitals=1.0)), "--json"]) == 1
    (report,) = json.loads(capsys.readouterr().out)["versions"]
    assert report["drift"][0]["name"] == "capitals" and report["drift"][0]["alarm"]
    assert report["drift"][0]["since"] == 200  # of the windows 400-599, 200-399, 0-199


def test_following_shows_each_picture_where_there_is_no_terminal(capsys) -> None:
    pictures = iter(["first", "second"])

    def picture():
        shown = next(pictures, None)
        if shown is None:
            raise KeyboardInterrupt
        return shown

    with pytest.raises(KeyboardInterrupt):
        _follow(picture, 0)
    assert capsys.readouterr().out.split() == ["first", "second"]


def test_a_line_for_which_nothing_was_found_counts() -> None:
    nothing = describe_line("x", {**ROW, "translation": "", "target_tokens": -1})
    assert TrafficStatistics.of([nothing]).lines == 1


def test_the_command_refuses(log, tmp_path, capsys) -> None:
    arguments = log(lines(3))
    content = (tmp_path / "traffic.jsonl").read_text()
    for wrong, message in (
        ([str(tmp_path / "missing"), *arguments[1:]], "No such file"),
        ([*arguments[:2], str(tmp_path)], "`reference` must be a SavedModel version"),
        ([*arguments, "--follow", "1", "--json"], "without --json"),
        ([*arguments, "--metrics-port", "9000"], "with --follow"),
        ([arguments[0]], "`--reference` must be given with a log"),
        ([*arguments, "--html", arguments[0]], "`--html` must not be a file of another argument"),
        (["http://localhost:1", *arguments[1:]], "`--reference` must be given with a log"),
    ):
        assert main(["monitor", *wrong]) == 2
        assert message in capsys.readouterr().err
    assert (tmp_path / "traffic.jsonl").read_text() == content
