"""Pairs that cannot be trained on are left out, each counted once."""

import pytest

from keras_attn.data import ByteTokenizer, Corpus, CorpusError, FilterReport, TokenSequences
from keras_attn.data.filter_pairs import filter_pairs


def filtered(sources, targets, max_source_tokens=4, max_target_tokens=3):
    sequences = [TokenSequences.encode(texts, ByteTokenizer()) for texts in (sources, targets)]
    corpus = Corpus(sources, targets, name="letters")
    return filter_pairs(corpus, *sequences, max_source_tokens, max_target_tokens)


def test_each_reason_is_counted_and_the_counts_add_up():
    pairs = [
        ("ab", "xy"),
        ("", "x"),
        ("a", ""),
        ("", ""),
        (" \t", "x"),
        ("a", "\u3000"),
        ("abcde", "x"),
        ("abcde", "wxyz"),
        ("a", "wxyz"),
        ("abcd", "xyz"),
    ]
    numbers, report = filtered(*zip(*pairs, strict=True))
    assert numbers.tolist() == [0, 9]
    counts = (report.empty_source, report.empty_target)
    assert counts == (3, 2)
    assert (report.source_too_long, report.target_too_long) == (2, 1)
    assert (report.pairs_read, report.kept, report.left_out) == (10, 2, 8)


@pytest.mark.parametrize(
    ("sources", "targets", "advice"),
    [
        (["abcde"], ["x"], "Raise `max_source_tokens`, or"),
        (["a"], ["wxyz"], "Raise `max_target_tokens`, or"),
        (["abcde", "a"], ["x", "wxyz"], "Raise `max_source_tokens` and `max_target_tokens`"),
        (["", "a"], ["x", ""], "Check that the files hold text"),
        ([], [], "0 pairs read"),
    ],
)
def test_when_nothing_is_left_the_counts_say_why_and_what_to_change(sources, targets, advice):
    with pytest.raises(CorpusError, match=rf"'letters'.*pairs read, 0 kept.*{advice}|{advice}"):
        filtered(sources, targets)


def test_a_report_reads_as_one_line():
    report = FilterReport(
        pairs_read=20_000,
        kept=19_000,
        empty_source=1,
        empty_target=2,
        source_too_long=900,
        target_too_long=97,
        max_source_tokens=64,
        max_target_tokens=80,
    )
    assert str(report) == (
        "20,000 pairs read, 19,000 kept (95.00%); left out: 1 empty source, 2 empty target, "
        "900 source over 64 tokens, 97 target over 80 tokens"
    )


def test_a_report_never_rounds_a_loss_away():
    assert str(FilterReport(3, 3)) == "3 pairs read, 3 kept (100.00%)"
    assert "(99.99%)" in str(FilterReport(10**6, 10**6 - 1, empty_source=1))
    assert "(0.01%)" in str(FilterReport(10**6, 1, empty_source=10**6 - 1))
    assert "(0.00%)" in str(FilterReport(10**6, 0, empty_source=10**6))
