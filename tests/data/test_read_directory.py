"""A directory of SPLIT.LANGUAGE files gives one split in one direction."""

import pytest

from keras_attn.data import CorpusError, read_directory


@pytest.fixture
def directory(tmp_path):
    directory = tmp_path / "animals"
    directory.mkdir()
    for name, text in {"train.en": "dog", "train.de": "Hund", "train.fr": "chien"}.items():
        (directory / name).write_text(text + "\n", encoding="utf-8")
    return directory


def test_split_and_languages_name_the_files(directory):
    corpus = read_directory(directory, "train", "fr", "de")
    assert list(corpus) == [("chien", "Hund")]
    assert (corpus.name, corpus.source_language, corpus.target_language) == (
        "animals/train",
        "fr",
        "de",
    )


def test_a_missing_split_lists_what_there_is(directory):
    with pytest.raises(CorpusError, match=r"test\.en.*holds .*train\.en"):
        read_directory(directory, "test", "en", "de")
    with pytest.raises(CorpusError, match=r"`target_language`.*train\.it"):
        read_directory(directory, "train", "en", "it")


def test_a_long_listing_is_cut_and_says_so(directory):
    for number in range(20):
        (directory / f"other{number}.txt").touch()
    with pytest.raises(CorpusError, match=r"and \d+ more\.$"):
        read_directory(directory, "val", "en", "de")


def test_a_missing_or_empty_directory_is_named(tmp_path):
    with pytest.raises(CorpusError, match="`directory`.*nowhere"):
        read_directory(tmp_path / "nowhere", "train", "en", "de")
    with pytest.raises(CorpusError, match="holds no files"):
        read_directory(tmp_path, "train", "en", "de")


@pytest.mark.parametrize(
    ("name", "split", "pairs"),
    [
        ("multi30k", "train", 29000),
        ("multi30k", "test_2016_flickr", 1000),
        ("tatoeba_en_de", "test", 2047),
    ],
)
def test_the_real_corpora_are_read_whole(corpora_directory, name, split, pairs):
    corpus = read_directory(corpora_directory / name, split, "en", "de")
    assert len(corpus) == pairs


def test_junk_lines_of_a_real_corpus_stay_in_their_place(corpora_directory):
    corpus = read_directory(corpora_directory / "multi30k", "train", "en", "de")
    assert [number for number, text in enumerate(corpus.targets, 1) if text == "@@"] == [
        16510,
        16664,
    ]
    assert any("leading or trailing blanks" in note for note in corpus.notes)
