"""What could name or reach a person does not come into a log; the rest stays."""

from __future__ import annotations

import json
import time

import pytest

from keras_attn.serving.monitoring import LineFacts, TrafficLog, describe_line, read_traffic, redact

from .test_traffic_log import ROW


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mail jo.doe+x@mail.example.org, please.", "Mail <email>, please."),
        ("an a@b.cd,e@f.gh;(i@j.kl) x/m@n.op", "an <email>,<email>;(<email>) x/<email>"),
        ("See https://example.org/a?b=c#d or www.example.org/x", "See <url> or <url>"),
        ("ftp://me:secret@host/file", "<url>"),
        ("IBAN DE89 3704 0044 0532 0130 00.", "IBAN <account>."),
        ("GB29NWBK60161331926819 is mine", "<account> is mine"),
        ("Call +49 (0)30 123-456 or 090-1234-5678!", "Call <number> or <number>!"),
        ("０９０－１２３４－５６７８ と 090‐1234‐5678", "<number> と <number>"),
        ("06\u00a012\u00a034\u00a056\u00a078", "<number>"),
        ("Card 4111 1111 1111 1111", "Card <number>"),
        ("born on 24.12.1990", "born on 24.12.1990".replace("24.12.1990", "<number>")),
        ("In 2016, 1,299 people, 3.5 % of 42.", "In 2016, 1,299 people, 3.5 % of 42."),
        ("Wo ist der Bahnhof? 駅はどこですか。", "Wo ist der Bahnhof? 駅はどこですか。"),
        ("", ""),
    ],
)
def test_by_rule(text, expected) -> None:
    assert redact(text) == expected


@pytest.mark.parametrize(
    "text", ["a" * 65_536, "a." * 32_768, "1 " * 32_768, "AB12 " * 13_107, "a@b," * 16_384]
)
def test_long_lines_take_no_long_time(text) -> None:
    started = time.process_time()
    redact(text)
    assert time.process_time() - started < 1


def test_a_log_keeps_redacted_text_only_if_it_is_asked_for(tmp_path) -> None:
    row = {**ROW, "translation": "an jo@example.org"}
    log = TrafficLog(tmp_path / "log", keep_text=True)
    log.write([describe_line("to jo@example.org", row, keep_text=log.keep_text)])
    log.close()
    assert "example" not in (tmp_path / "log").read_text()
    (line,), damaged = read_traffic(tmp_path / "log")
    assert (line.text, damaged) == (("to <email>", "an <email>"), 0)
    assert describe_line("x", ROW).text is None
    for text in ("x", ["one"], 3, [1, 2, 3]):
        with pytest.raises(ValueError, match="Not the facts of a line"):
            LineFacts.from_dict({**line.to_dict(), "text": text})
    assert json.loads(json.dumps(line.to_dict()))["text"] == ["to <email>", "an <email>"]
