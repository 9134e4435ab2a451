"""Help without TensorFlow, errors of one line, statuses, and the nearest name."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from keras_attn.cli import main as main_module
from keras_attn.cli import recipes
from keras_attn.cli.command_parser import CommandFailure, CommandParser
from keras_attn.cli.main import build_parser, main


def all_parsers(parser: CommandParser, words: str = "") -> Iterator[tuple[str, CommandParser]]:
    """Every parser with the words that lead to it."""
    yield words, parser
    for name, child in parser.commands.items():
        yield from all_parsers(child, f"{words} {name}".strip())


PARSERS = dict(all_parsers(build_parser()))
EXAMPLES = [
    (words, line.strip())
    for words, parser in PARSERS.items()
    for line in (parser.epilog or "").splitlines()
    if "keras-attn " in line and line.startswith("  ")
]


def test_the_promised_commands_are_there() -> None:
    promised = "demo recipes train translate score evaluate average export verify".split()
    pictures = ["attention", "positions", "schedule", "history"]
    assert {*promised, *(f"plot {name}" for name in pictures)} <= set(PARSERS)


def test_the_help_of_every_command_works_without_tensorflow() -> None:
    lines = [words.split() for words in PARSERS]
    code = f"""
import sys
from keras_attn.cli.main import main
for words in {lines!r}:
    try:
        main([*words, "--help"])
    except SystemExit as stop:
        assert not stop.code, (words, stop.code)
print("HEAVY", [name for name in ("tensorflow", "keras", "numpy") if name in sys.modules])
"""
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.splitlines()[-1] == "HEAVY []"
    assert finished.stdout.count("usage: keras-attn") == len(PARSERS)


@pytest.mark.parametrize("words", [words for words in PARSERS if words])
def test_every_command_has_a_description_and_an_example(words: str) -> None:
    assert (PARSERS[words].description or "").strip()
    assert [example for owner, example in EXAMPLES if owner == words]


@pytest.mark.parametrize("example", [example for _, example in EXAMPLES])
def test_every_example_parses(example: str) -> None:
    command = re.split(r" [<>|] ", example[example.index("keras-attn ") :])[0]
    arguments = build_parser().parse_args(shlex.split(command)[1:])
    assert callable(arguments.run)


@pytest.mark.parametrize(
    ("command", "nearest"),
    [
        ("trian x", "'train'"),
        ("translate run --beems 3", "'--beams'"),
        ("plot histry", "'history'"),
        ("plot history run --output a.png --outptu b.png", "'--output'"),
        ("evaluate r --source a --reference b --confidense", "'--confidence'"),
        ("export r --formatt litert out", "'--format'"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(
    command: str, nearest: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(command.split())
    captured = capsys.readouterr()
    assert stop.value.code == 2
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert f"did you mean {nearest}?" in captured.err


@pytest.mark.parametrize(
    "order",
    [
        "r out --format litert --quantize int8",
        "--format litert --quantize int8 r out",
        "r --format litert out --quantize int8",
        "r --format litert --quantize int8 out",
    ],
)
def test_options_may_stand_anywhere(order: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = build_parser().parse_args(["export", *order.split()])
    assert (arguments.run_path, arguments.directory) == ("r", "out")
    assert (arguments.format, arguments.quantize) == ("litert", "int8")
    assert capsys.readouterr().err == ""


def test_options_may_stand_between_the_words_of_a_picture() -> None:
    command = ["plot", "attention", "--layer", "-1", "r", "--output", "a.png", "a sentence"]
    arguments = build_parser().parse_args(command)
    assert (arguments.run_path, arguments.sentence, arguments.layer) == ("r", "a sentence", -1)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("export r out more", "unknown argument 'more'; this command takes RUN and DIRECTORY and"),
        ("recipes all", "unknown argument 'all'; this command takes options only."),
    ],
)
def test_an_argument_too_many_is_answered_with_those_that_are_taken(
    command: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(command.split())
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [
        "train phrasebook_tiny --output r --set training.max_steps",
        "average",
        "translate r --beams 0",
        "translate r --beams many",
        "plot attention r sentence --output m.png --layer last",
        "average r --last -1",
        "translate r --beam 4",  # never abbreviated
    ],
)
def test_a_wrong_command_line_is_one_line_and_status_2(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(command.split())
    assert stop.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_no_command_at_all_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "commands:" in captured.err


def raising(error: BaseException) -> Callable[[argparse.Namespace], int]:
    """A command that fails."""

    def run(arguments: argparse.Namespace) -> int:
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (ValueError("`length` must be\n  even."), 2, "error: `length` must be even."),
        (FileNotFoundError(2, "No such file", "a.txt"), 2, "error: No such file: a.txt"),
        (OSError(28, "No space left on device"), 1, "error: No space left on device"),
        (CommandFailure("It failed."), 1, "error: It failed."),
        (ImportError("Install it."), 1, "error: Install it."),
        (KeyError("x"), 1, "unexpected error: KeyError: 'x' (KERAS_ATTN_DEBUG=1 shows where)"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_an_error_is_one_line_without_a_traceback(
    error: BaseException,
    status: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("KERAS_ATTN_DEBUG", raising=False)
    monkeypatch.setattr(recipes, "run", raising(error))
    assert main(["recipes"]) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"keras-attn recipes: {words}\n"


def test_the_debug_variable_shows_where_an_error_came_from(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KERAS_ATTN_DEBUG", "1")
    monkeypatch.setattr(recipes, "run", raising(ValueError("wrong")))
    assert main(["recipes"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("Traceback")
    assert error.endswith("keras-attn recipes: error: wrong\n")


def test_main_never_replaces_the_process_of_a_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    monkeypatch.setattr(main_module.process, "keep_the_heap", lambda: calls.append("again"))
    parser = PARSERS["train"]
    monkeypatch.setattr("keras_attn.cli.train.run", lambda arguments: 0)
    assert parser.get_default("keeps_heap") and PARSERS["demo"].get_default("keeps_heap")
    assert main(["train", "phrasebook_tiny", "--output", "r"]) == 0
    assert calls == []
    monkeypatch.setattr(sys, "argv", ["keras-attn", "train", "phrasebook_tiny", "--output", "r"])
    assert main() == 0
    assert calls == ["again"]
