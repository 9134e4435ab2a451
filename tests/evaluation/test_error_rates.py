"""Error rates against counts by hand and the recurrence of Levenshtein (1966)."""

import random

import pytest

from keras_attn.evaluation import corpus_scores, error_rates


def edit_distance(a, b):
    """The textbook recurrence."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        previous, row[0] = row[0], i
        for j, y in enumerate(b, start=1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (x != y))
    return row[-1]


def test_counts_by_hand():
    # One substitution, one deletion, one insertion of 2 tokens: 4 edits of 3 + 2 + 1 tokens.
    rates = error_rates(["a x c", "d", "e f g", "h"], ["a b c", "d e", "e", "h"])
    assert rates.line_error_rate == 75.0
    assert rates.token_error_rate == pytest.approx(100 * 4 / 7)
    assert rates.character_error_rate == pytest.approx(100 * (1 + 2 + 4) / (5 + 3 + 1 + 1))


def test_random_lines_agree_with_the_recurrence():
    random.seed(3)
    lines = [
        [" ".join(random.choices(["a", "bb", "c", "dː"], k=random.randint(1, 7))) for _ in "ab"]
        for _ in range(60)
    ]
    hypotheses, references = zip(*lines, strict=True)
    rates = error_rates(hypotheses, references)
    pairs = [(one.split(), other.split()) for one, other in lines]
    tokens = sum(edit_distance(*pair) for pair in pairs) / sum(len(pair[1]) for pair in pairs)
    characters = sum(edit_distance(*line) for line in lines) / sum(map(len, references))
    assert rates.token_error_rate == pytest.approx(100 * tokens)
    assert rates.character_error_rate == pytest.approx(100 * characters)
    assert rates.line_error_rate == pytest.approx(100 * sum(a != b for a, b in lines) / 60)


def test_the_nearest_of_several_references_counts():
    rates = error_rates(["a b", "c"], [["x y z", "c"], ["a b", None]])
    assert rates.line_error_rate == rates.token_error_rate == rates.character_error_rate == 0.0


def test_blanks_only_separate():
    assert error_rates([" a   b\t"], ["a b"]).character_error_rate == 0.0


def test_empty_hypotheses_are_wholly_wrong_and_empty_references_do_not_divide_by_zero():
    assert error_rates([""], ["a b"]).token_error_rate == 100.0
    assert error_rates([""], [""]).token_error_rate == 0.0


def test_corpus_scores_have_them():
    scores = corpus_scores(["a b", "c d"], ["a b", "c x"])
    assert scores.errors.line_error_rate == 50.0
    assert scores.to_dict()["token_error_rate"] == 25.0
    assert "errors = 50.0% of lines, 25.0% of tokens, 16.7% of characters" in scores.lines()


def test_texts_that_do_not_pair_up_are_refused():
    with pytest.raises(ValueError, match="Received: "):
        error_rates(["a"], ["a", "b"])
