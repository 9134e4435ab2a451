"""Columns separated by tabs become a corpus, and a short line is named."""

import pytest

from keras_attn.data import CorpusError, read_tsv


def write(tmp_path, text: str):
    path = tmp_path / "pairs.tsv"
    path.write_text(text, encoding="utf-8", newline="")
    return path


def test_two_columns_are_source_and_target(tmp_path):
    corpus = read_tsv(write(tmp_path, "one\teins\r\ntwo\tzwei\r\n"))
    assert list(corpus) == [("one", "eins"), ("two", "zwei")]
    assert corpus.name == "pairs"


def test_any_columns_can_be_chosen_and_others_are_ignored(tmp_path):
    path = write(tmp_path, "7\teins\tx\tone\n8\tzwei\tx\ttwo\n")
    assert list(read_tsv(path, source_column=3, target_column=1)) == [
        ("one", "eins"),
        ("two", "zwei"),
    ]


def test_quotation_marks_are_text(tmp_path):
    assert list(read_tsv(write(tmp_path, '"a\tb"\n'))) == [('"a', 'b"')]


def test_empty_columns_are_kept_and_noted(tmp_path):
    corpus = read_tsv(write(tmp_path, "one\t\n\t\n"))
    assert list(corpus) == [("one", ""), ("", "")]
    assert len(corpus.notes) == 2


def test_the_first_line_with_too_few_columns_is_named_and_all_are_counted(tmp_path):
    path = write(tmp_path, "a\tb\tc\nd\te\tf\ng\th\n\n")
    with pytest.raises(CorpusError, match=r"at least 3 columns.*line 3 has 2 \(2 such lines"):
        read_tsv(path, 0, 2)


def test_an_empty_file_is_refused(tmp_path):
    with pytest.raises(CorpusError, match="`path`.*empty"):
        read_tsv(write(tmp_path, ""))


@pytest.mark.parametrize("columns", [(-1, 1), (1, 1)])
def test_columns_must_be_two_and_counted_from_zero(tmp_path, columns):
    with pytest.raises(ValueError, match="`source_column` and `target_column`"):
        read_tsv(write(tmp_path, "a\tb\n"), *columns)


def test_lines_with_another_number_of_columns_are_noted(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("a\tb\nc\td\te\nf\tg\nh\ti\tj\tk\n", encoding="utf-8")
    corpus = read_tsv(path)
    assert len(corpus) == 4
    assert corpus.notes == (
        "2 lines have a different number of columns than line 1, which has 2 (first: 2).",
    )


def test_a_file_whose_lines_end_as_on_old_macs_is_refused(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_bytes(b"a dog\tein Hund\ra cat\teine Katze\r")
    with pytest.raises(CorpusError, match="only carriage returns"):
        read_tsv(path)
