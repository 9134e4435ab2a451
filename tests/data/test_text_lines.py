"""Lines of a file are what people take them for, and damage is named with its place."""

import gzip

import pytest

from keras_attn.data import CorpusError
from keras_attn.data.text_lines import describe_segments, nearest_names, read_lines


def read(tmp_path, content: bytes) -> list[str]:
    path = tmp_path / "text.en"
    path.write_bytes(content)
    return read_lines(path)


def test_only_a_line_feed_ends_a_line(tmp_path):
    inside = ["a\u2028b", "c\u0085d", "e\x0bf", "g\x0ch", "i\x1cj", "k\u2029l", "m\rn"]
    assert read(tmp_path, "\n".join(inside).encode()) == inside


def test_one_carriage_return_before_the_line_feed_belongs_to_the_line_end(tmp_path):
    assert read(tmp_path, b"one\r\ntwo\r\r\nthree\r\n") == ["one", "two\r", "three"]


def test_a_byte_order_mark_is_removed_from_the_start_alone(tmp_path):
    content = "\ufeffone\n\ufefftwo\n".encode()
    assert read(tmp_path, content) == ["one", "\ufefftwo"]


def test_blanks_and_empty_lines_are_kept(tmp_path):
    assert read(tmp_path, b"\n one \n\t\n\n") == ["", " one ", "\t", ""]


def test_a_last_line_without_a_line_feed_counts(tmp_path):
    assert read(tmp_path, b"one\ntwo") == read(tmp_path, b"one\ntwo\n") == ["one", "two"]


def test_an_empty_file_has_no_lines(tmp_path):
    assert read(tmp_path, b"") == []
    assert read(tmp_path, "\ufeff".encode()) == []


def test_bytes_that_are_no_utf8_are_named_with_line_and_offset(tmp_path):
    with pytest.raises(CorpusError, match=r"line 3, byte offset 12.*0xe9"):
        read(tmp_path, "één\n".encode() + b"two\n" + b"xy\xe9z\n")
    with pytest.raises(CorpusError, match=r"line 2, byte offset 6.*0xff"):
        read(tmp_path, b"\xef\xbb\xbf12\n\xff")


def test_other_encodings_are_recognized(tmp_path):
    with pytest.raises(CorpusError, match="UTF-16"):
        read(tmp_path, "one\n".encode("utf-16"))
    with pytest.raises(CorpusError, match="gzip"):
        read(tmp_path, gzip.compress(b"one\n"))


def test_a_missing_file_names_its_nearest_neighbors(tmp_path):
    (tmp_path / "train.en").touch()
    (tmp_path / "zebra.txt").touch()
    with pytest.raises(CorpusError, match=r"`path`.*trian\.en.*holds train\.en\."):
        read_lines(tmp_path / "trian.en")
    with pytest.raises(CorpusError, match="no directory"):
        read_lines(tmp_path / "nowhere" / "train.en")
    with pytest.raises(CorpusError, match="readable file"):
        read_lines(tmp_path)


def test_errors_are_one_line(tmp_path):
    with pytest.raises(CorpusError) as raised:
        read(tmp_path, b"\xff\n\xff\n")
    assert "\n" not in str(raised.value)


def test_notes_count_what_is_odd_and_say_where_it_starts():
    sources = ["a", "", "", " b", "c", "d ", "e\nf"]
    targets = ["x", "", "y", "z", "\t", "u", "v"]
    assert describe_segments(sources, targets) == (
        "1 pair is empty on both sides (first: 2).",
        "2 pairs are empty on one side (first: 3).",
        "2 pairs have leading or trailing blanks (first: 4).",
        "1 pair has a line break inside a segment (first: 7).",
    )
    assert describe_segments(["a"], ["b"]) == ()


def test_nearest_names_never_leave_the_user_without_a_name():
    assert nearest_names("qqq", ["beta", "alpha"]) == ["alpha", "beta"]
    assert nearest_names("bets", ["beta", "alpha"]) == ["beta"]
