"""A corpus keeps its pairs together, and groups the references of one source."""

import dataclasses

import pytest

from keras_attn.data import Corpus, CorpusError, group_references


def make_corpus() -> Corpus:
    return Corpus(
        ["one", "two", "three"], ["eins", "zwei", "drei"], "numbers", "en", "de", notes=["a note"]
    )


def test_pairs_come_in_order_and_are_counted():
    corpus = make_corpus()
    assert len(corpus) == 3
    assert list(corpus) == [("one", "eins"), ("two", "zwei"), ("three", "drei")]


def test_take_gives_the_first_pairs_under_the_same_name():
    taken = make_corpus().take(2)
    assert list(taken) == [("one", "eins"), ("two", "zwei")]
    assert (taken.name, taken.source_language, taken.target_language) == ("numbers", "en", "de")
    assert len(make_corpus().take(99)) == 3
    assert len(make_corpus().take(0)) == 0
    with pytest.raises(ValueError, match="`num_pairs`.*-1"):
        make_corpus().take(-1)


def test_notes_about_the_whole_corpus_do_not_follow_a_part_of_it():
    assert make_corpus().notes == ("a note",)
    assert make_corpus().take(2).notes == ()


def test_a_corpus_cannot_be_changed_by_accident():
    sources = ["one"]
    corpus = Corpus(sources, ["eins"])
    sources.append("two")
    assert len(corpus) == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        corpus.name = "other"


def test_sides_of_different_length_are_refused_with_both_counts():
    with pytest.raises(CorpusError, match="'numbers'.*2 sources and 1 targets"):
        Corpus(["one", "two"], ["eins"], name="numbers")


def test_a_string_is_no_sequence_of_segments():
    with pytest.raises(ValueError, match="`sources`.*'one'"):
        Corpus("one", ["e", "i", "n"])


def test_references_are_streams_as_long_as_the_distinct_sources():
    corpus = Corpus(["b", "a", "b", "c", "b"], ["b1", "a1", "b2", "c1", "b3"])
    sources, references = group_references(corpus)
    assert sources == ["b", "a", "c"]
    assert references == [["b1", "a1", "c1"], ["b2", None, None], ["b3", None, None]]


def test_a_reference_given_twice_counts_once():
    sources, references = group_references(Corpus(["a", "a"], ["x", "x"]))
    assert (sources, references) == (["a"], [["x"]])


def test_an_empty_corpus_has_no_references():
    assert group_references(Corpus([], [])) == ([], [])
