"""Files are scored line by line, and files that do not fit together are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from keras_attn.evaluation import corpus_scores, read_lines, score_files


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


def test_only_a_line_feed_ends_a_line(tmp_path: Path) -> None:
    text = "\ufeffeins\u2028zwei\r\n\ndrei\x0bvier\x85\n fünf "
    path = write(tmp_path / "lines.txt", text)
    assert read_lines(path) == ["eins\u2028zwei", "", "drei\x0bvier\x85", " fünf "]
    assert read_lines(write(tmp_path / "empty.txt", "")) == []


def test_files_score_as_their_lines(tmp_path: Path) -> None:
    hypotheses = write(tmp_path / "out.de", "ein Hund läuft im Park\nzwei Katzen schlafen\n")
    first = write(tmp_path / "ref1.de", "ein Hund rennt im Park\nzwei Katzen schlafen tief\n")
    second = write(tmp_path / "ref2.de", "ein Hund läuft im Park\n\n")
    expected = corpus_scores(
        ["ein Hund läuft im Park", "zwei Katzen schlafen"],
        [
            ["ein Hund rennt im Park", "zwei Katzen schlafen tief"],
            ["ein Hund läuft im Park", None],
        ],
    )
    assert score_files(hypotheses, [first, second]) == expected
    single = score_files(hypotheses, str(first), tokenized=True)
    assert single.references == 1 and single.bleu_tokenized is not None


def test_every_file_is_counted_when_lengths_differ(tmp_path: Path) -> None:
    hypotheses = write(tmp_path / "out.de", "a\nb\nc\n")
    reference = write(tmp_path / "ref.de", "a\nb\n")
    with pytest.raises(ValueError, match=r"out\.de' with 3, .*ref\.de' with 2"):
        score_files(hypotheses, reference)
    with pytest.raises(ValueError, match="at least one file. Received: 0"):
        score_files(hypotheses, [])


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    latin = write(tmp_path / "latin.de", "eins\nzwei\nfünf\n".encode("latin-1"))
    with pytest.raises(
        ValueError, match=r"latin\.de\) must be UTF-8 text. Received: byte 0xfc at line 3"
    ):
        read_lines(latin)
    with pytest.raises(
        ValueError, match=r"existing file. Received: .*absent\.de\. That directory holds latin\.de"
    ):
        read_lines(tmp_path / "absent.de")
    with pytest.raises(ValueError, match="Is a directory"):
        read_lines(tmp_path)
