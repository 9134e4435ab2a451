"""Two files become a corpus line by line, and nothing in them is lost or shifted."""

import pytest

from keras_attn.data import CorpusError, read_text_pair


def write(tmp_path, source: bytes, target: bytes):
    paths = tmp_path / "small.en", tmp_path / "small.de"
    for path, content in zip(paths, (source, target), strict=True):
        path.write_bytes(content)
    return paths


def test_line_n_pairs_with_line_n(tmp_path):
    paths = write(tmp_path, b"one\ntwo\n", "eins\nzwölf\n".encode())
    corpus = read_text_pair(*paths, source_language="en", target_language="de")
    assert list(corpus) == [("one", "eins"), ("two", "zwölf")]
    assert (corpus.name, corpus.source_language, corpus.target_language) == ("small", "en", "de")
    assert read_text_pair(*map(str, paths), name="mine").name == "mine"


def test_windows_line_ends_on_one_side_do_not_matter(tmp_path):
    paths = write(tmp_path, b"\xef\xbb\xbfone\r\ntwo\r\n", b"eins\nzwei")
    assert list(read_text_pair(*paths)) == [("one", "eins"), ("two", "zwei")]


def test_empty_and_padded_lines_are_kept_and_noted(tmp_path):
    corpus = read_text_pair(*write(tmp_path, b"one\n\n three\n", b"eins\nzwei\ndrei\n"))
    assert list(corpus) == [("one", "eins"), ("", "zwei"), (" three", "drei")]
    assert corpus.notes == (
        "1 pair is empty on one side (first: 2).",
        "1 pair has leading or trailing blanks (first: 3).",
    )


def test_files_of_different_length_are_refused_with_both_counts(tmp_path):
    with pytest.raises(CorpusError, match=r"3 lines in .*small\.en and 2 in .*small\.de"):
        read_text_pair(*write(tmp_path, b"1\n2\n3\n", b"1\n2\n"))


def test_empty_files_are_refused(tmp_path):
    with pytest.raises(CorpusError, match=r"`source_path`.*small\.en, which is empty"):
        read_text_pair(*write(tmp_path, b"", b""))


def test_the_missing_side_is_named(tmp_path):
    source_path, _ = write(tmp_path, b"one\n", b"eins\n")
    with pytest.raises(CorpusError, match="`target_path`.*small.ed"):
        read_text_pair(source_path, tmp_path / "small.ed")
