"""References grouped by sentence become streams, each reference once."""

from __future__ import annotations

import pytest

from keras_attn.evaluation import corpus_scores, streams_from_groups


def test_every_reference_stands_in_the_column_of_its_sentence() -> None:
    groups = [["a", "b", "c"], ["d"], ["e", "f"], ["g"]]
    streams = streams_from_groups(groups)
    assert [len(stream) for stream in streams] == [4, 4, 4]
    columns = [
        [text for text in column if text is not None] for column in zip(*streams, strict=True)
    ]
    assert columns == groups


def test_streams_of_groups_are_what_corpus_scores_takes() -> None:
    streams = streams_from_groups([["guten Tag", "hallo du da"], ["wie geht es dir"]])
    scores = corpus_scores(["hallo du da", "wie geht es dir"], streams)
    assert scores.bleu == pytest.approx(100)
    assert scores.references == 2


def test_bad_groups_are_named() -> None:
    with pytest.raises(ValueError, match="at least one sentence. Received: 0"):
        streams_from_groups([])
    with pytest.raises(ValueError, match="at least one reference per sentence.*none at index 1"):
        streams_from_groups([["a"], []])
    with pytest.raises(ValueError, match="the string 'b' at index 1"):
        streams_from_groups([["a"], "b"])
