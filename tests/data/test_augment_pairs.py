"""Added pairs are what they say, are the same for the same seed, and leave the others alone."""

import re

import pytest

from keras_attn.data import Augmentation, Corpus, augment_pairs, word_pairs
from keras_attn.data.made_up_names import MadeUpNames, shared_names
from keras_attn.training.load_corpora import load_corpora
from keras_attn.training.recipe.data_recipe import DataRecipe

PAIRS = [
    ("Tom saw Boston in 1987.", "Tom sah Boston im Jahre 1987."),
    ("Where is the dog?", "Wo ist der Hund?"),
    ("It costs 25 euros", "Es kostet 25 Euro"),
    ("The street is long.", "Die Straße ist lang."),
]
CORPUS = Corpus(*zip(*PAIRS, strict=True))


def added(**shares):
    corpus = augment_pairs(CORPUS, Augmentation(**shares), seed=3)
    assert list(corpus)[: len(PAIRS)] == PAIRS
    return list(corpus)[len(PAIRS) :]


def test_capitals_are_on_both_sides():
    pairs = added(upper_case=1.0)
    assert set(pairs) == {(source.upper(), target.upper()) for source, target in PAIRS}
    assert ("THE STREET IS LONG.", "DIE STRASSE IST LANG.") in pairs


def test_lower_case_is_on_the_source_only():
    pairs = added(lower_case=1.0)
    assert len(pairs) == 4
    assert all(source == source.lower() and target != target.lower() for source, target in pairs)


def test_punctuation_is_left_out_on_both_sides_or_on_none():
    assert set(added(no_punctuation=1.0)) == {
        ("Tom saw Boston in 1987", "Tom sah Boston im Jahre 1987"),
        ("Where is the dog", "Wo ist der Hund"),
        ("The street is long", "Die Straße ist lang"),
    }


def test_a_shared_name_is_replaced_by_the_same_name_on_both_sides():
    corpora = [augment_pairs(CORPUS, Augmentation(names=0.25), seed) for seed in range(12)]
    changed = [list(corpus)[-1] for corpus in corpora if len(corpus) > len(CORPUS)]
    assert len(changed) >= 6  # the other times the name that was drawn is the one that was there
    for source, target in changed:
        names = re.fullmatch(r"(\w+) saw (\w+) in 1987\.", source).groups()
        assert re.fullmatch(r"(\w+) sah (\w+) im Jahre 1987\.", target).groups() == names
        assert (names[0] == "Tom") != (names[1] == "Boston")


def test_a_shared_number_is_replaced_by_one_as_long():
    pairs = added(numbers=1.0)
    assert len(pairs) == 2
    for source, target in pairs:
        numbers = [re.findall(r"\d+", text) for text in (source, target)]
        assert numbers[0] == numbers[1] and numbers[0][0] not in ("1987", "25", "")
        assert len(numbers[0][0]) in (2, 4) and numbers[0][0][0] != "0"


def test_the_share_is_of_the_pairs_and_the_seed_decides():
    assert len(added(upper_case=0.5)) == 2
    augmentation = Augmentation(lower_case=0.5, names=0.5, numbers=0.5)
    first, again = (augment_pairs(CORPUS, augmentation, seed=1) for _ in "ab")
    assert first == again != augment_pairs(CORPUS, augmentation, seed=2)
    assert first.notes[-1] == "5 pairs were added by augmentation."


def test_words_are_a_number_and_not_a_share():
    with pytest.raises(ValueError, match=r"`words` must be a number of pairs.*Received: words=0.1"):
        Augmentation(words=0.1)


def test_no_augmentation_is_the_corpus_itself():
    assert augment_pairs(CORPUS, Augmentation()) is CORPUS


@pytest.fixture
def sentences():
    words = {"dog": "Hund", "cat": "Katze", "house": "Haus", "tree": "Baum"}
    pairs = [
        (f"the {one} and the {other}", f"das {words[one]} und das {words[other]}")
        for one in words
        for other in words
        if one != other
    ]
    return words, Corpus(*zip(*pairs, strict=True))


def test_words_are_found_in_sentences(sentences):
    words, corpus = sentences
    found = dict(word_pairs(corpus))
    assert {word: found[word] for word in words} == words
    assert len(word_pairs(corpus, max_pairs=2)) == 2
    pairs = list(augment_pairs(corpus, Augmentation(words=10)))
    for pair in (("dog", "Hund"), ("Dog", "Hund"), ("Dog.", "Hund.")):
        assert pair in pairs


def test_a_corpus_without_words_has_no_word_pairs():
    assert word_pairs(Corpus(["1", ""], ["2", "x"])) == []


def test_names_look_like_those_they_are_made_from():
    names = shared_names([("Tomas and Tomina", "Tomas und Tomina")])
    assert names == ["Tomas", "Tomina"]
    drawn = {MadeUpNames(names, seed).draw() for seed in range(40)}
    assert all(3 <= len(name) <= 12 and set(name) <= set("Tomasin") for name in drawn)
    assert drawn & set(names) and len(drawn) > 1


def test_a_recipe_adds_pairs_to_the_training_split_only():
    options = {"kind": "phrasebook", "num_pairs": 40}
    plain = load_corpora(DataRecipe(**options, seed=5))
    corpora = load_corpora(DataRecipe(**options, seed=5, augmentation={"upper_case": 0.5}))
    assert len(corpora.train) == 60 and list(corpora.train)[:40] == list(plain.train)
    assert corpora.validation == plain.validation


@pytest.mark.parametrize(
    "augmentation, words",
    [
        ({"uper_case": 0.5}, "augmentation.uper_case` is not a kind.*Did you mean 'upper_case'"),
        ({"names": -1}, "`data.augmentation.names` must be zero or more. Received: names=-1"),
        ({"words": "many"}, "`data.augmentation.words` must be zero or more"),
    ],
)
def test_mistakes_in_a_recipe_are_told(augmentation, words):
    with pytest.raises(ValueError, match=words):
        DataRecipe(augmentation=augmentation)


def test_only_capitalized_words_are_names_in_any_script():
    pairs = [
        ("он видел дом и Москву", "він бачив дом и Москву"),
        ("ο αέρας και η Αθήνα", "αέρας, Αθήνα"),
        ("élan and Élodie", "élan et Élodie"),
    ]
    assert shared_names(pairs) == sorted(["Москву", "Αθήνα", "Élodie"])
    assert MadeUpNames(["Anna"]).replace_in(("мама дома", "мама дома")) is None
