"""Lines in, as many lines out, in their order; and nothing is lost when the input is bad."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import keras_attn
from keras_attn.cli import translate
from keras_attn.cli.line_source import read_chunks
from keras_attn.cli.main import main
from keras_attn.lines.translation import Translation


class Upper:
    """A model whose translations say what it was given; "long" lines count as truncated."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def translate_detailed(self, texts: Sequence[str]) -> list[Translation]:
        self.calls.append(len(texts))
        return [
            Translation(text, text.upper(), score=-len(text) / 2, truncated="long" in text)
            for text in texts
        ]


@pytest.fixture
def upper(monkeypatch: pytest.MonkeyPatch) -> Upper:
    """The model that every `RUN` is."""
    model = Upper()
    monkeypatch.setattr(translate, "open_model", lambda location, beams, **_: model)
    return model


def run(
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
    content: bytes,
    *options: str,
) -> tuple[int, bytes, str]:
    """`translate RUN` with a pipe as standard input: status, output, errors."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    status = main(["translate", "somewhere", *options])
    captured = capfdbinary.readouterr()
    return status, captured.out, captured.err.decode()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", b""),
        (b"a\nb\n", b"A\nB\n"),
        (b"a\nb", b"A\nB"),
        (b"\n\na\n\n", b"\n\nA\n\n"),
        (b"\n", b"\n"),
        (b"a\r\n\r\nb", b"A\r\n\r\nB"),
        ("\ufeffa\nb\n".encode(), b"A\nB\n"),
        ("\ufeff".encode(), b""),
        ("a\u2028b\x0bc\x85\n\td\n".encode(), "A\u2028B\x0bC\x85\n\tD\n".encode()),
    ],
)
def test_every_line_keeps_its_place_and_its_end(
    content: bytes,
    expected: bytes,
    upper: Upper,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    status, output, _ = run(monkeypatch, capfdbinary, content)
    assert (status, output) == (0, expected)


def test_a_long_input_is_translated_in_chunks_and_stays_in_order(
    upper: Upper, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr(translate, "CHUNK_LINES", 7)
    lines = [f"line {number}" for number in range(30)]
    status, output, _ = run(monkeypatch, capfdbinary, "\n".join(lines).encode())
    assert status == 0
    assert output.decode().split("\n") == [line.upper() for line in lines]
    assert upper.calls == [7, 7, 7, 7, 2]


def test_a_chunk_is_written_before_the_next_is_read() -> None:
    source, target = io.BytesIO(b"a\nb\nc\n"), io.BytesIO()
    written = []

    class Watching(Upper):
        def translate_detailed(self, texts: Sequence[str]) -> list[Translation]:
            written.append(target.getvalue())
            return super().translate_detailed(texts)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(translate, "CHUNK_LINES", 1)
        translate._translate_stream(Watching(), source, target, with_scores=False)
    assert written == [b"", b"A\n", b"A\nB\n"]


def test_a_line_break_in_a_translation_does_not_make_a_line(
    upper: Upper, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr(
        upper, "translate_detailed", lambda texts: [Translation(text, "x\ny\r") for text in texts]
    )
    status, output, errors = run(monkeypatch, capfdbinary, b"a\nb\n")
    assert (status, output) == (0, b"x y \nx y \n")
    assert "2 with line breaks" in errors


def test_scores_stand_before_a_tab(
    upper: Upper, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    _, output, _ = run(monkeypatch, capfdbinary, b"abc\n\n", "--scores")
    assert output == b"-1.500000\tABC\n0.000000\t\n"


def test_empty_and_truncated_lines_are_counted_on_standard_error(
    upper: Upper, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    content = b"a\n \n\nlong\n"
    _, _, errors = run(monkeypatch, capfdbinary, content)
    assert errors == "4 lines: 2 empty, 1 truncated\n"


def test_nothing_is_said_of_lines_of_which_there_is_nothing_to_say(
    upper: Upper, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert run(monkeypatch, capfdbinary, b"a\nb\n")[2] == ""


def test_a_pipe_that_is_not_utf_8_names_the_line(
    upper: Upper, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    status, output, errors = run(monkeypatch, capfdbinary, b"a\nb\nxy\xe4z\n")
    assert (status, output) == (2, b"")
    assert "byte 0xe4 at line 3, byte offset 6" in errors
    assert errors.count("\n") == 1


def test_a_file_that_is_not_utf_8_is_refused_as_a_whole(
    upper: Upper,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    monkeypatch.setattr(translate, "CHUNK_LINES", 1)
    source, target = tmp_path / "source.txt", tmp_path / "target.txt"
    source.write_bytes(b"a\n" * 6000 + b"\xff\n")
    target.write_bytes(b"precious\n")
    options = ("--input", str(source), "--output", str(target))
    status, output, errors = run(monkeypatch, capfdbinary, b"", *options)
    assert (status, output) == (2, b"")
    assert "line 6001" in errors
    assert target.read_bytes() == b"precious\n"
    assert upper.calls == []
    assert run(monkeypatch, capfdbinary, b"", "--input", str(source))[1] == b""


def test_files_are_read_and_written_whole(
    upper: Upper,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    file = tmp_path / "text.txt"
    file.write_bytes(b"a\nb")
    options = ("--input", str(file), "--output", str(file))
    assert run(monkeypatch, capfdbinary, b"", *options)[0] == 0
    assert file.read_bytes() == b"A\nB"
    assert list(tmp_path.iterdir()) == [file]


def test_a_failure_in_the_middle_leaves_the_output_file_as_it_was(
    upper: Upper,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    monkeypatch.setattr(translate, "CHUNK_LINES", 1)
    target = tmp_path / "target.txt"
    target.write_bytes(b"precious\n")
    content = b"a\n\xff\n"
    status, _, _ = run(monkeypatch, capfdbinary, content, "--output", str(target))
    assert status == 2
    assert target.read_bytes() == b"precious\n"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("place", ["missing/out.txt", "."])
def test_an_output_that_cannot_be_is_refused_before_the_model_is_loaded(
    place: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    monkeypatch.setattr(translate, "open_model", lambda *_, **__: pytest.fail("loaded"))
    status, _, errors = run(monkeypatch, capfdbinary, b"a\n", "--output", str(tmp_path / place))
    assert status == 2
    assert errors.startswith("keras-attn translate: error: `--output`")
    assert errors.count("\n") == 1


def test_a_device_is_written_and_not_replaced(
    upper: Upper, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert run(monkeypatch, capfdbinary, b"a\n", "--output", os.devnull)[0] == 0
    assert not Path(os.devnull).is_file()


def test_a_link_stays_a_link_and_a_mode_stays_a_mode(
    upper: Upper,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_bytes(b"old")
    file.chmod(0o640)
    link.symlink_to(file)
    assert run(monkeypatch, capfdbinary, b"a\n", "--output", str(link))[0] == 0
    assert link.is_symlink()
    assert file.read_bytes() == b"A\n"
    assert file.stat().st_mode & 0o777 == 0o640


def test_a_missing_input_is_one_line(
    upper: Upper, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    status, _, errors = run(monkeypatch, capfdbinary, b"", "--input", "nowhere.txt")
    assert status == 2
    assert "Received: nowhere.txt." in errors
    assert errors.count("\n") == 1


def test_lines_are_split_at_line_feeds_only() -> None:
    text = "a\x0bb\x0cc\x1cd\x85e\u2028f\u2029g\rh\n"
    (chunk,) = read_chunks(io.BytesIO(text.encode()))
    assert [(line.text, line.end) for line in chunk] == [(text[:-1], b"\n")]


def test_a_real_model_translates_a_pipe_and_fewer_beams_are_its_own(
    run_directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    lines = ["Hi!", "", "a much longer line than 20 bytes", "ä"]
    content = "\n".join(lines).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert main(["translate", str(run_directory), "--beams", "2"]) == 0
    captured = capfdbinary.readouterr()
    translator = keras_attn.Translator.load(run_directory / "translator")
    translator.decoding = keras_attn.decoding.BeamSearch(num_beams=2)
    expected = [text.replace("\n", " ").replace("\r", " ") for text in translator.translate(lines)]
    assert captured.out.decode("utf-8", "surrogateescape").split("\n") == expected
    assert b"4 lines: 1 empty" in captured.err
    assert b"truncated" in captured.err


def test_a_reader_who_leaves_is_no_error(tmp_path: Path) -> None:
    code = """
import sys
from keras_attn.cli import translate
from keras_attn.cli.main import main
class Echo:
    def translate_detailed(self, texts):
        from keras_attn.lines.translation import Translation
        return [Translation(text, text) for text in texts]
translate.open_model = lambda location, beams, **_: Echo()
sys.exit(main(["translate", "run", "--input", sys.argv[1]]))
"""
    file = tmp_path / "much.txt"
    file.write_bytes(b"a line of text\n" * 50_000)
    command = [sys.executable, "-c", code, str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == b"a line of text\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=120) == 141


def test_paragraphs_are_translated_sentence_by_sentence(
    upper: Upper, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    content = b"Mr. Li came. Why?  No one knows.\n\nso long. Bye.\n"
    status, output, errors = run(monkeypatch, capfdbinary, content, "--split-sentences", "en")
    assert status == 0 and output == b"MR. LI CAME. WHY?  NO ONE KNOWS.\n\nSO LONG. BYE.\n"
    assert upper.calls == [5]
    assert "3 lines: 1 empty, 1 truncated" in errors


def test_a_run_is_not_taken_for_the_language_of_paragraphs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["translate", "--split-sentences", "runs/phrasebook"])
    assert stop.value.code == 2
    assert "must be a language code" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["translate", "runs/phrasebook", "--split-sentences", "tatoeba_en_de"])


def test_without_a_run_the_shipped_model_is_used_and_named(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    locations = []
    monkeypatch.setattr(
        translate, "open_model", lambda location, beams, **_: locations.append(location) or Upper()
    )
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\n")))
    assert main(["translate", "--beams", "2"]) == 0
    captured = capfdbinary.readouterr()
    assert captured.out == b"A\n" and locations == ["tatoeba_en_de"]
    assert b"no RUN given: using the shipped model tatoeba_en_de" in captured.err
