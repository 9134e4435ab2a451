"""`translate --engine beam`: files in, shards out; one line of a report, or of an error."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

import keras_attn
from keras_attn.cli.main import build_parser, main

pytest.importorskip("apache_beam")
RUNNER = "--runner=FnApiRunner"


@pytest.fixture
def inputs(tmp_path: Path) -> list[Path]:
    """Two files; the second does not end in a line feed."""
    directory = tmp_path / "in"
    directory.mkdir()
    files = [directory / "1.en", directory / "2.en"]
    files[0].write_bytes(b"Hi!\n\nGood day\n")
    files[1].write_bytes("ä\nlast".encode())
    return files


def only_line(text: str) -> str:
    """The one line of a text that must have one."""
    assert text.count("\n") == 1, text
    return text.strip()


def test_files_become_what_the_local_engine_makes_of_them(
    run_directory: Path, inputs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in inputs:
        command = ["translate", str(run_directory), "--input", str(file)]
        assert main([*command, "--output", str(file.with_suffix(".local"))]) == 0
    capsys.readouterr()
    command = ["translate", "--engine", "beam", "--output", str(tmp_path / "out")]
    for file in inputs:
        command += ["--input", str(file)]
    assert main([*command, str(run_directory), "--", RUNNER]) == 0
    captured = capsys.readouterr()
    for number, file in enumerate(inputs):
        shard = tmp_path / f"out-{number:05d}-of-00002"
        assert shard.read_bytes() == file.with_suffix(".local").read_bytes()
    assert captured.out == ""
    assert only_line(captured.err).startswith("5 lines in 2 shards, 1 empty, ")


def test_every_option_reaches_the_function(
    run_directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls: list[Any] = []

    def record(*arguments: Any, **options: Any) -> str:
        calls.append((arguments, options))
        return "3 lines"

    monkeypatch.setattr("keras_attn.bulk.translate_files", record)
    command = ["translate", str(run_directory), "--engine", "beam", "--input", "a"]
    command += [
        "--input",
        "b*",
        "--input",
        "c",
        "--output",
        "out",
        "--beams",
        "3",
        "--num-shards",
        "8",
    ]
    command += [
        "--scores",
        "--line-ids",
        "--",
        "--runner=FlinkRunner",
        "--parallelism=4",
        "--",
        "x",
    ]
    assert main(command) == 0
    assert calls == [
        (
            (run_directory / "translator", ["a", "b*", "c"], "out"),
            {
                "num_beams": 3,
                "num_shards": 8,
                "scores": True,
                "line_ids": True,
                "options": ["--runner=FlinkRunner", "--parallelism=4", "--", "x"],
            },
        )
    ]
    assert only_line(capsys.readouterr().err) == "3 lines"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--engine", "beam", "--output", "out"], "`--input` must name files or patterns"),
        (["--engine", "beam", "--input", "-", "--output", "out"], "`--input` must name files"),
        (["--engine", "beam", "--input", "1.en"], "`--output` must be a prefix"),
        (
            ["--engine", "beam", "--input", "1.en", "--output", "-"],
            "`--output` must be a prefix",
        ),
        (["--engine", "beam", "--input", "no.en", "--output", "out"], "no.en"),
        (["--engine", "beam", "--input", "1.en", "--output", "no/out"], "mkdir -p"),
        (["--input", "1.en", "--input", "2.en"], "`--engine beam`"),
        (["--input", "1.en", "--line-ids"], "`--line-ids` must be left out"),
        (["--input", "1.en", "--num-shards", "2"], "`--num-shards` must be left out"),
        (["--input", "1.en", "--", RUNNER], "`--` must be left out"),
    ],
)
def test_what_cannot_be_is_one_line(
    arguments: list[str],
    words: str,
    run_directory: Path,
    inputs: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(inputs[0].parent)
    assert main(["translate", str(run_directory), *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert words in only_line(captured.err)
    assert sorted(Path.cwd().iterdir()) == inputs


def test_a_pipeline_that_fails_is_one_line_and_another_status(
    run_directory: Path,
    inputs: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*arguments: Any) -> None:
        raise OSError("first line\nout of luck")

    monkeypatch.setattr(keras_attn.Translator, "translate_detailed", fail)
    monkeypatch.chdir(inputs[0].parent)
    command = ["translate", str(run_directory), "--engine", "beam", "--input", "1.en"]
    assert main([*command, "--output", "out", "--", RUNNER]) == 1
    line = only_line(capsys.readouterr().err)
    assert line == "keras-attn translate: error: The pipeline failed: out of luck"
    assert sorted(Path.cwd().iterdir()) == inputs


def test_without_beam_it_says_what_to_install(
    run_directory: Path,
    inputs: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in [name for name in sys.modules if name.startswith("keras_attn.bulk")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    command = ["translate", str(run_directory), "--engine", "beam", "--input", str(inputs[0])]
    assert main([*command, "--output", str(inputs[0].parent / "out")]) == 1
    assert 'pip install "keras_attn[beam]"' in only_line(capsys.readouterr().err)


def test_an_unknown_option_before_the_dashes_is_still_an_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="2"):
        build_parser().parse_args(["translate", "RUN", "--num-shard", "3", "--", "--runner=x"])
    assert "did you mean '--num-shards'" in only_line(capsys.readouterr().err)
