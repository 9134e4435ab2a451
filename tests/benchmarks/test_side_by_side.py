"""What every benchmark shares: turns, medians, ratios, and programs that may fail."""

import json
import math
import sys

import pytest
import side_by_side
from side_by_side import Engine, make_cell, print_result, summarize, take_turns


@pytest.fixture
def echo(tmp_path, monkeypatch):
    """An engine that says twice what it is asked for, and fails on demand."""
    engines = side_by_side.ENGINES
    script = tmp_path / "echo.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(engines)!r})\n"
        "from serve_requests import serve_requests\n"
        "def twice(word):\n"
        "    print('noise of a library')\n"
        "    return word * 2\n"
        "def fail():\n"
        "    raise ValueError('no')\n"
        "def leave():\n"
        "    sys.exit(3)\n"
        "serve_requests({'versions': dict, 'twice': twice, 'fail': fail, 'leave': leave})\n"
    )
    monkeypatch.setattr(side_by_side, "ENGINES", tmp_path)
    engine = Engine("echo", "echo.py", sys.executable)
    yield engine
    engine.close()


def test_an_engine_answers_beside_the_noise_of_its_libraries(echo):
    assert echo.ask("twice", word="ab") == "abab"


def test_an_engine_that_fails_says_why_and_goes_on(echo):
    with pytest.raises(RuntimeError, match="echo: ValueError: no"):
        echo.ask("fail")
    assert echo.ask("twice", word="c") == "cc"


def test_an_engine_that_ends_is_named_with_its_status(echo):
    with pytest.raises(RuntimeError, match="echo ended during 'leave' with 3"):
        echo.ask("leave")


def test_sides_take_turns_and_neither_is_always_first(monkeypatch):
    monkeypatch.setattr(side_by_side, "PAUSE_SECONDS", 0.0)
    order = []

    def measurement(name):
        return lambda: order.append(name) or float(len(order))

    figures = take_turns({"a": measurement("a"), "b": measurement("b")}, rounds=3)
    assert "".join(order) == "abbaab"
    assert figures == {"a": [1.0, 4.0, 5.0], "b": [2.0, 3.0, 6.0]}


def test_ratios_are_of_rounds_not_of_medians():
    # The machine was ten times as slow in two of three rounds; each round says 2.
    cell = make_cell("x", {"keras_attn": [200.0, 20.0, 22.0], "torch": [100.0, 10.0, 11.0]})
    assert cell["ratio_torch"] == 2.0
    assert cell["keras_attn"] == 22.0 and cell["spread_torch"] == [10.0, 100.0]


def test_the_summary_is_the_geometric_mean_of_the_ratios():
    cells = [{"name": "x", "ratio_torch": 0.5}, {"name": "y", "ratio_torch": 8.0}, {"name": "z"}]
    result = summarize(cells, ["torch", "keras_fit"])
    assert math.isclose(result["geometric_mean_torch"], 2.0)
    assert "geometric_mean_keras_fit" not in result


def test_json_is_one_object_and_the_table_has_every_cell(capsys):
    cell = make_cell("the cell", {"keras_attn": [1234.5], "torch": [1000.0]})
    result = summarize([cell], ["torch"])
    print_result("Title", "unit", result, ["keras_attn", "torch"], as_json=True)
    assert json.loads(capsys.readouterr().out) == result
    print_result("Title", "unit", result, ["keras_attn", "torch"], as_json=False)
    table = capsys.readouterr().out
    assert "the cell" in table and "1,234 (1,234 - 1,234)" in table and "1.23" in table
