"""The page of `keras-attn monitor --html`: whole, by itself, and safe."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser

import pytest

from keras_attn.cli.main import main
from keras_attn.serving.monitoring import report_traffic, write_html
from keras_attn.serving.monitoring.features import FEATURES
from keras_attn.serving.monitoring.svg_plots import draw_course, draw_histograms

from .test_traffic_report import REFERENCE, lines, log  # noqa: F401

VOID = {"meta", "rect", "line", "polyline"}


class Checker(HTMLParser):
    """Every element is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.count: dict[str, int] = {}

    def handle_starttag(self, tag, attributes) -> None:
        self.count[tag] = self.count.get(tag, 0) + 1
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes) -> None:
        self.count[tag] = self.count.get(tag, 0) + 1

    def handle_endtag(self, tag) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def page_of(some) -> tuple[str, Checker]:
    page = write_html(report_traffic(some, REFERENCE), REFERENCE, some, "traffic.jsonl")
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    return page, checker


def test_what_has_moved_is_said_and_drawn() -> None:
    page, checker = page_of(lines(600) + lines(300, 600.0, capitals=0.9))
    assert "Version 1: 1 of 9 features have moved" in page
    assert page.count('<tr class="alarm">') == 1
    assert FEATURES["capitals"].description in page
    assert checker.count["svg"] == 2 * len(FEATURES)


def test_it_needs_nothing_else() -> None:
    page, checker = page_of(lines(600))
    assert "nothing has moved" in page
    assert not re.search(r"https?://|src=|href=|url\(|@import", page)
    assert "script" not in checker.count


def test_texts_are_escaped_and_the_least_sure_come_first() -> None:
    odd = ("<script>alert(1)</script> & co", '"><img src=x>')
    some = [
        dataclasses.replace(one, text=odd if i == 7 else (f"line {i}", "x"))
        for i, one in enumerate(lines(50))
    ]
    some[7] = dataclasses.replace(some[7], log_probability=-900.0)
    page, checker = page_of(some)
    assert "script" not in checker.count and "img" not in checker.count
    assert page.index("&lt;script&gt;alert(1)") < page.index("<td>line ")
    assert "least sure" not in page_of(lines(50))[0]


def test_bars_have_the_heights_of_shares() -> None:
    picture = draw_histograms((1.0, 2.0), (5, 5, 10), (0, 1, 0))
    heights = [float(one) for one in re.findall(r'height="([\d.]+)"', picture)]
    assert heights == pytest.approx([29.5, 29.5, 59, 0, 118, 0], abs=0.1)
    assert "1 to 2: 100.0%" in picture and "2 and above: 50.0%" in picture


def test_courses() -> None:
    picture = draw_course([0.0, 60.0, 120.0], [1.0, 3.0, 2.0], 2.0)
    points = re.search(r'points="([^"]+)"', picture)[1].split()
    heights = [float(point.split(",")[1]) for point in points]
    assert heights[1] < heights[2] < heights[0]  # up is less in SVG
    level = float(re.search(r'class="level" x1="[\d.]+" y1="([\d.]+)"', picture)[1])
    assert level == pytest.approx(heights[2], abs=0.1)
    assert draw_course([0.0], [1.0], None) == ""
    assert draw_course([0.0, 1.0], [5.0, 5.0], None)  # a flat one


def test_the_command_writes_it(log, tmp_path, capsys) -> None:  # noqa: F811
    path = tmp_path / "report.html"
    assert main(["monitor", *log(lines(500)), "--html", str(path)]) == 0
    assert f"report: {path}" in capsys.readouterr().err
    assert "Traffic of traffic.jsonl" in path.read_text(encoding="utf-8")
