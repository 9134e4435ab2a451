"""What standard streams cannot take costs no finished work, and is one line at most."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import pytest

from keras_attn.cli import evaluate, plot, score, streams, translate
from keras_attn.cli.main import main
from keras_attn.lines.translation import Translation, TranslationReport
from keras_attn.serving import VerificationCheck, VerificationReport

TEXT = "Öl – größer"


class Echo:
    """A model whose translations are the sources."""

    report = TranslationReport()

    def translate(self, texts: list[str]) -> list[str]:
        return list(texts)

    def translate_detailed(self, texts: list[str]) -> list[Translation]:
        return [Translation(text, text) for text in texts]

    def score(self, sources: list[str], targets: list[str]) -> list[float]:
        return [-float(len(target)) for target in targets]


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Every command that prints, its work done by stubs."""
    file = tmp_path / "lines.txt"
    file.write_text(f"{TEXT}\n" * 3, encoding="utf-8")
    (tmp_path / "run.json").write_text(
        '{"format_version": 1, "status": "finished"}', encoding="utf-8"
    )
    for module in (evaluate, translate):
        monkeypatch.setattr(module, "open_model", lambda *_, **__: Echo())
    for module in (score, plot):
        monkeypatch.setattr(module, "open_translator", lambda *_: Echo())
    monkeypatch.setattr("keras_attn.cli.export.open_translator", lambda *_: Echo())
    monkeypatch.setattr("keras_attn.cli.export.find_translator", lambda _: tmp_path / "translator")
    monkeypatch.setattr(score, "find_translator", lambda _: tmp_path)
    monkeypatch.setattr(plot, "draw_attention", lambda *_: Translation(TEXT, TEXT))
    report = VerificationReport(Path("x"), (VerificationCheck("files", True, TEXT),))
    monkeypatch.setattr("keras_attn.serving.verify_saved_model", lambda *_: report)
    monkeypatch.setattr("keras_attn.serving.export_saved_model", lambda *_, **__: Path(TEXT, "1"))
    monkeypatch.setattr("keras_attn.training.average_checkpoints", lambda *_, **__: Path(TEXT))
    monkeypatch.setattr("keras_attn.training.rewrite_translator", lambda *_: None)
    lines, model = str(file), str(tmp_path)
    result = {
        "translate": ["translate", model, "--input", lines],
        "score": ["score", model, "--source", lines, "--target", lines],
        "evaluate": ["evaluate", model, "--source", lines, "--reference", lines, "--confidence"],
        "verify": ["verify", model],
        "export": ["export", model, model],
        "average": ["average", model],
        "recipes": ["recipes"],
        "plot": ["plot", "attention", model, TEXT, "--output", str(tmp_path / "map.png")],
    }
    result.update({f"{name} --json": [*result[name], "--json"] for name in WITH_JSON})
    return result


PRINTING = ("translate", "score", "evaluate", "verify", "export", "average", "recipes", "plot")
WITH_JSON = ("score", "evaluate", "verify", "export", "average", "recipes")
COMMANDS = [*PRINTING, *(f"{name} --json" for name in WITH_JSON)]
everywhere = pytest.mark.parametrize("name", COMMANDS)


def open_full() -> TextIO:
    """A stream to a disk that is full."""
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    return open("/dev/full", "w", encoding="utf-8")


def open_gone() -> TextIO:
    """A stream to a pipe whose reader has left."""
    reader, writer = os.pipe()
    os.close(reader)
    return open(writer, "w", encoding="utf-8")


@everywhere
def test_an_output_in_ascii_is_complete(
    name: str, commands: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = {}
    for encoding in ("ascii", "utf-8"):
        raw = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
        assert main(commands[name]) == 0
        printed[encoding] = raw.getvalue()
    if name == "translate":  # data: always UTF-8
        assert printed["ascii"] == printed["utf-8"] == f"{TEXT}\n".encode() * 3
    elif name == "evaluate":
        assert b"(95%: 100.0 \\xb1 0.0)" in printed["ascii"]
    elif name in ("verify", "export", "average", "plot"):
        assert b"\\xd6l \\u2013 gr\\xf6\\xdfer" in printed["ascii"]
    elif name.endswith("--json"):
        json.loads(printed["ascii"])
    assert printed["ascii"]


@everywhere
def test_a_full_disk_is_one_line_and_a_failure(
    name: str,
    commands: dict[str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with open_full() as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main(commands[name]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"keras-attn {commands[name][0]}: error: ")
    assert error.endswith("No space left on device\n") and error.count("\n") == 1


@everywhere
def test_a_reader_who_has_left_is_no_error(
    name: str,
    commands: dict[str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with open_gone() as gone:
        monkeypatch.setattr(sys, "stdout", gone)
        assert main(commands[name]) == 141
    assert capsys.readouterr().err == ""


@everywhere
def test_closed_streams_are_the_null_device(
    name: str, commands: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for stream in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, stream, None)
    assert main(commands[name]) == 0
    sys.stdout.close()
    sys.stderr.close()


@pytest.mark.parametrize("arguments", [["--help"], ["evaluate", "--help"], ["--version"]])
def test_help_that_cannot_be_written_is_a_failure(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_full() as full:
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(SystemExit) as stop:
            main(arguments)
    assert stop.value.code == 1
    assert (
        capsys.readouterr().err == "keras-attn: error: standard output: No space left on device\n"
    )


def test_an_error_of_the_command_is_told_though_the_output_failed(
    commands: dict[str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        print("something")
        raise ValueError("`x` must be even.")

    monkeypatch.setattr(translate, "open_model", fail)
    with open_gone() as gone:
        monkeypatch.setattr(sys, "stdout", gone)
        assert main(commands["translate"]) == 2
    assert capsys.readouterr().err == "keras-attn translate: error: `x` must be even.\n"


@pytest.mark.parametrize("open_stream", [open_full, open_gone])
def test_messages_that_cannot_be_written_stop_nothing(open_stream: Any) -> None:
    with open_stream() as broken:
        stream = streams.forgiving_stream(broken)
        for _ in range(3):
            print(TEXT * 5000, file=stream)
            stream.flush()
        assert stream.fileno() == broken.fileno()
        stream.close()


def test_messages_that_can_be_written_are_whole_and_at_once(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("w", encoding="ascii") as log:
        log.write("before\n")
        stream = streams.forgiving_stream(log)
        print("ä" * 70_000, file=stream)
        assert path.read_text(encoding="ascii") == "before\n" + "\\xe4" * 70_000 + "\n"
        stream.close()


PROGRAM = """
import sys
from keras_attn.cli import translate
from keras_attn.cli.main import main
class Echo:
    def translate_detailed(self, texts):
        from keras_attn.lines.translation import Translation
        return [Translation(text, text) for text in texts]
translate.open_model = lambda location, beams, **_: Echo()
sys.exit(main(["translate", "run", *sys.argv[1:]]))
"""


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Any]:
    """`translate` with redirections of a shell, in a process of its own."""

    def run(redirections: str, *options: str) -> subprocess.CompletedProcess[bytes]:
        command = ["sh", "-c", f'exec "$@" {redirections}', "sh", sys.executable, "-c", PROGRAM]
        environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
        environment.pop("PYTHONUNBUFFERED", None)
        return subprocess.run(
            [*command, *options],
            input=TEXT.encode(),
            capture_output=True,
            env=environment,
            timeout=60,
            check=False,
        )

    yield run


def test_a_process_without_standard_streams_writes_its_file(shell: Any, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(f"{TEXT}\n\n".encode())  # an empty line is reported on standard error
    options = ("--input", str(source), "--output", str(target))
    assert shell("<&- >&- 2>&-", *options).returncode == 0
    assert target.read_bytes() == source.read_bytes()


def test_a_closed_input_is_one_line_and_no_file(shell: Any, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"precious")
    finished = shell("<&-", "--output", str(target))
    assert finished.returncode == 2
    assert finished.stderr.count(b"\n") == 1 and b"standard input is closed" in finished.stderr
    assert target.read_bytes() == b"precious"


def test_a_log_on_a_full_disk_stops_nothing(shell: Any, tmp_path: Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    source = tmp_path / "source"
    source.write_bytes(f"{TEXT}\n\n".encode())  # an empty line is reported on standard error
    finished = shell("2>/dev/full", "--input", str(source))
    assert (finished.returncode, finished.stdout) == (0, source.read_bytes())


@pytest.mark.parametrize(
    ("redirections", "status", "output", "error"),
    [
        ("", 0, TEXT.encode(), b""),  # the encoding is ASCII, the data UTF-8
        (">/dev/full", 1, b"", b"standard output: No space left on device"),
        (">/dev/full 2>/dev/full", 1, b"", b""),
        (">&-", 0, b"", b""),
    ],
)
def test_a_process_ends_as_its_work_did(
    redirections: str, status: int, output: bytes, error: bytes, shell: Any
) -> None:
    if "/dev/full" in redirections and not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    finished = shell(redirections)
    assert (finished.returncode, finished.stdout) == (status, output)
    assert error in finished.stderr and finished.stderr.count(b"\n") == bool(error)
