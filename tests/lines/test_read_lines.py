"""Lines of a file are what people take them for, and damage is named with its place."""

import bz2
import errno
import gzip
import lzma

import pytest

from keras_attn.lines import read_lines
from keras_attn.lines.line_stream import read_chunks


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
    with pytest.raises(ValueError, match=r"0xe9 at line 3, byte offset 12\."):
        read(tmp_path, "één\n".encode() + b"two\n" + b"xy\xe9z\n")
    with pytest.raises(ValueError, match=r"0xff at line 2, byte offset 6\."):
        read(tmp_path, b"\xef\xbb\xbf12\n\xff")


def test_other_encodings_are_recognized(tmp_path):
    with pytest.raises(ValueError, match="UTF-16"):
        read(tmp_path, "one\n".encode("utf-16"))
    with pytest.raises(ValueError, match="zip file: decompress it first"):
        read(tmp_path, b"PK\x03\x04\xff\xfe")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_text_without_a_byte_order_mark_that_is_not_utf8_is_refused(tmp_path, encoding):
    with pytest.raises(ValueError, match="0x00 at line 1, .*looks like UTF-16"):
        read(tmp_path, "one\ntwo\n".encode(encoding))


@pytest.mark.parametrize("content", [b"one\rtwo\rthree\r", b"one\rtwo", b"one\r"])
def test_carriage_returns_alone_are_no_line_ends(tmp_path, content):
    with pytest.raises(ValueError, match="only carriage returns, .* old Macs"):
        read(tmp_path, content)


@pytest.mark.parametrize("compress", [gzip.compress, lzma.compress, bz2.compress])
def test_a_compressed_file_is_read_whatever_its_name(tmp_path, compress):
    assert read(tmp_path, compress(b"one\r\n\ntwo")) == ["one", "", "two"]
    with pytest.raises(ValueError, match="complete compressed text file"):
        read(tmp_path, compress(b"one two three four\n" * 99)[:40])


@pytest.mark.parametrize("compress", [gzip.compress, lzma.compress, bz2.compress])
def test_a_damaged_compressed_file_is_named(tmp_path, compress):
    content = bytearray(compress(b"one two three four\n" * 99))
    content[10] ^= 0xFF  # after the signature; in bzip2 part of the checksum
    with pytest.raises(ValueError, match=r"text\.en.*complete compressed text file"):
        read(tmp_path, content)


def test_an_error_of_the_disk_is_no_damaged_file():
    class Disk:
        def readline(self):
            raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(OSError, match="Input/output"):
        next(read_chunks(Disk()))


def test_a_missing_file_names_its_nearest_neighbors(tmp_path):
    (tmp_path / "train.en").touch()
    (tmp_path / "zebra.txt").touch()
    with pytest.raises(ValueError, match=r"`path`.*trian\.en.*holds train\.en\."):
        read_lines(tmp_path / "trian.en")
    with pytest.raises(ValueError, match="no directory"):
        read_lines(tmp_path / "nowhere" / "train.en")
    with pytest.raises(ValueError, match="readable file"):
        read_lines(tmp_path)


def test_errors_are_one_line(tmp_path):
    with pytest.raises(ValueError) as raised:
        read(tmp_path, b"\xff\n\xff\n")
    assert "\n" not in str(raised.value)
