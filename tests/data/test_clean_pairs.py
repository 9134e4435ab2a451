"""Which pairs are left out, why, and that good ones stay; held-out sentences are nowhere else."""

import pytest

from keras_attn.data import Corpus, CorpusError, clean_pairs, hold_out

GOOD = [
    ("The old house is empty today.", "Das alte Haus ist heute leer."),
    ("Where were you?", "Wo bist du gewesen?"),
    ("Hi!", "Guten Morgen!"),
    ("He was born in 1987.", "Er wurde 1987 geboren."),
    ("My brother knows her well.", "Mein Bruder kennt sie gut."),
]
BAD = [
    ("", "Nichts.", "empty"),
    ("  ", "\t", "empty"),
    ("Copy this sentence here.", "Copy this sentence here.", "copied"),
    ("I do not understand it.", "Я этого не понимаю.", "script"),
    ("@@", "@@", "no_letters"),
    ("--- 12345 ---", "--- 12345 ... ---", "no_letters"),
    ("a" * 1100, "b" * 1200, "too_long"),
    ("Yes.", "Ja, das ist alles, was ich dir heute zu diesem Thema sagen kann.", "ratio"),
    ("The old house is empty today.", " Das alte Haus ist heute leer. ", "duplicate"),
]


@pytest.mark.parametrize("source, target, reason", BAD)
def test_a_bad_pair_is_left_out_for_its_reason(source, target, reason):
    pairs = [*GOOD, (source, target)]
    cleaned, report = clean_pairs(Corpus(*zip(*pairs, strict=True)))
    assert list(cleaned) == GOOD
    assert report.left_out == {reason: 1}
    assert (report.pairs, report.kept) == (len(pairs), len(GOOD))


def test_scripts_lengths_and_lines_are_reported():
    pairs = [("Ja.", "Да."), ("Nein danke.", "Нет, спасибо.")]
    cleaned, report = clean_pairs(Corpus(*zip(*[*pairs, pairs[0]], strict=True)))
    assert report.scripts == ("LATIN", "CYRILLIC")
    assert report.letters == (7.0, 8.0)
    assert report.lines() == ["3 pairs read, 2 kept", "left out: 1 that occur earlier"]


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("<p class='x'>He said <b>no</b>.</p>", "He said no ."),
        ("Tom&#39;s &quot;dog&quot; &amp;amp; cat&nbsp;", 'Tom\'s "dog" & cat'),
        ("one<br/>two<BR>three", "one two three"),
        ("<!-- a note -->text", "text"),
        ("AT&T; R&D, x <y and I <3 you", "AT&T; R&D, x <y and I <3 you"),
        ("<fr> the  cat <unk>", "<fr> the  cat <unk>"),  # tags of a task stay, blanks too
    ],
)
def test_tags_and_entities_are_taken_out_of_a_line_and_counted(text, clean):
    pairs = [*GOOD, (text, "Noch ein Satz.")]
    cleaned, report = clean_pairs(Corpus(*zip(*pairs, strict=True)))
    assert cleaned.sources[-1] == clean
    assert report.without_markup == (text != clean)
    line = "cleaned: 1 with HTML tags or entities"
    assert (line in report.lines()) == (text != clean)


def test_a_pair_of_nothing_but_markup_is_empty():
    pairs = [*GOOD, ("<li><a href='/x?id=3'>", "&nbsp;&nbsp;&nbsp;"), ("<ul>", "<ul>")]
    cleaned, report = clean_pairs(Corpus(*zip(*pairs, strict=True)))
    assert list(cleaned) == GOOD and report.left_out == {"empty": 2}


def test_japanese_is_one_script():
    pairs = [("I am a student.", "私は学生です。"), ("Coffee, please.", "コーヒーをください。")]
    assert len(clean_pairs(Corpus(*zip(*pairs, strict=True)))[0]) == 2


def test_an_empty_corpus_is_clean():
    assert clean_pairs(Corpus([], []))[1].kept == 0


def _key(text):
    return "".join(filter(str.isalnum, text.lower()))


def test_no_sentence_is_in_two_splits():
    pairs = [(f"source {i % 60}", f"target {i % 45}") for i in range(200)]
    pairs += [(f"SOURCE {i}!", f"Other {i}") for i in range(100)]
    corpus = Corpus(*zip(*pairs, strict=True))
    splits = hold_out(corpus, 20, 30, seed=2)
    assert sorted(pair for split in splits for pair in split) == sorted(pairs)
    for side in (0, 1):
        texts = [{_key(pair[side]) for pair in split} for split in splits]
        assert not texts[0] & texts[1] and not texts[0] & texts[2] and not texts[1] & texts[2]
    assert len(splits[1]) >= 20 and len(splits[2]) >= 30
    assert hold_out(corpus, 20, 30, seed=2) == splits != hold_out(corpus, 20, 30, seed=3)


def test_a_corpus_of_one_sentence_cannot_be_split():
    with pytest.raises(CorpusError, match="enough different sentences.*3 pairs in 1 group"):
        hold_out(Corpus(["a", "a", "A"], ["x", "y", "z"]), 1, 1)


@pytest.mark.parametrize("seed", range(20))
def test_a_large_group_is_learned_from_wherever_it_comes_in_the_order(seed):
    sources = [f"chain {i // 2}" for i in range(500)]  # each shares a sentence with the next
    targets = [f"kette {(i + 1) // 2}" for i in range(500)]
    for group in range(60):
        sources += [f"trio {group}"] * 3
        targets += [f"drei {group} {i}" for i in range(3)]
    splits = hold_out(Corpus(sources, targets), 60, 50, seed)
    assert not any("chain" in text for split in splits[1:] for text in split.sources)
    # Of groups of three, the nearest sizes: 60, and 51 rather than 48.
    assert [len(split) for split in splits] == [680 - 60 - 51, 60, 51]
