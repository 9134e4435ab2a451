"""The phrasebook keeps its promises: one German for an English, splits that never meet."""

import os
import subprocess
import sys

import pytest

from keras_attn.data.phrasebook import phrasebook
from keras_attn.data.phrasebook.choices import NOUNS_BY_VERB, PERSONS, adjectives_of
from keras_attn.data.phrasebook.chooser import Chooser
from keras_attn.data.phrasebook.grammar import sentence_pair
from keras_attn.data.phrasebook.lemmas import VERBS, lemmas
from keras_attn.data.phrasebook.lexicon import (
    ADJECTIVES,
    NOUNS,
)
from keras_attn.data.phrasebook.phrasebook import SPLITS, split_of
from keras_attn.data.phrasebook.phrases import NounPhrase
from keras_attn.data.phrasebook.verbs import TRANSITIVE_VERBS


def test_an_english_sentence_has_one_german_and_a_german_one_english():
    chooser, to_german, to_english = Chooser(11), {}, {}
    for _ in range(100_000):
        english, german = sentence_pair(chooser)
        assert to_german.setdefault(english, german) == german
        assert to_english.setdefault(german, english) == english


def test_the_lexicon_has_at_least_200_lemmas_each_with_its_own_word():
    assert len(lemmas()) >= 200
    for entries in (NOUNS, VERBS, ADJECTIVES):
        names = [getattr(entry, "singular", None) or entry.english for entry in entries]
        assert len(set(names)) == len(names)


def test_the_grammar_gives_far_more_than_a_million_pairs():
    def phrases(nouns):
        found = set()
        for noun in nouns:
            for adjective in (None, *adjectives_of(noun)):
                for word in ("the", "this") + (("a",) if noun.plural else ()):
                    found.add(NounPhrase(noun, word, adjective=adjective).english())
        return found

    # "SUBJECT VERB OBJECT." differs wherever one of the three does, as no phrase holds a verb.
    subjects = phrases(PERSONS)
    count = sum(len(subjects) * len(phrases(NOUNS_BY_VERB[verb])) for verb in TRANSITIVE_VERBS)
    assert count >= 10**6
    assert sum(largest for _, largest in SPLITS.values()) < count / 10


def test_pairs_are_different_and_of_the_promised_number_and_length():
    for split, expected in (("train", 40_000), ("validation", 1_000), ("test", 1_000)):
        corpus = phrasebook(split)
        assert len(corpus) == expected
        assert len(set(corpus.sources)) == len(set(corpus.targets)) == expected
        assert (corpus.source_language, corpus.target_language) == ("en", "de")
        for sentence in (*corpus.sources, *corpus.targets):
            assert 3 <= len(sentence.split()) <= 14
            assert sentence[0].isupper() and sentence[-1] in ".?" and "  " not in sentence
    assert len(phrasebook("validation", num_pairs=17)) == 17


def test_splits_never_share_a_sentence_whatever_the_sizes_and_seeds():
    corpora = [("train", 12_011, 0), ("train", 8_003, 5), ("validation", 1_009, 0),
               ("validation", 2_003, 5), ("test", 1_511, 0), ("test", 907, 9)]  # fmt: skip
    sides: dict[str, tuple[set, set]] = {split: (set(), set()) for split in SPLITS}
    for split, num_pairs, seed in corpora:
        corpus = phrasebook(split, num_pairs=num_pairs, seed=seed)
        sides[split][0].update(corpus.sources)
        sides[split][1].update(corpus.targets)
    for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        assert not sides[one][0] & sides[other][0]
        assert not sides[one][1] & sides[other][1]


def test_every_split_has_a_share_of_the_sentences():
    chooser = Chooser(2)
    drawn = [split_of(sentence_pair(chooser)[1]) for _ in range(20_000)]
    shares = [drawn.count(split) / len(drawn) for split in ("train", "validation", "test")]
    assert shares == pytest.approx([0.90, 0.05, 0.05], abs=0.02)


def test_the_same_seed_gives_the_same_pairs_and_another_seed_others():
    first, again, other = (phrasebook("test", 503, seed) for seed in (4, 4, 5))
    assert first == again
    assert len(set(first.sources) & set(other.sources)) < 100
    assert phrasebook("test", 101, 4).sources == first.sources[:101]


def test_another_process_with_another_hash_seed_draws_the_same_pairs():
    script = (
        "import sys; sys.stdout.reconfigure(encoding='utf-8')\n"
        "from keras_attn.data.phrasebook import phrasebook\n"
        "print(*phrasebook('validation', 211, 6).targets, sep='\\n')"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "12345", "PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, check=True
    )
    lines = result.stdout.decode("utf-8").splitlines()
    assert tuple(lines) == tuple(phrasebook("validation", 211, 6).targets)


def test_an_unknown_split_is_refused_with_the_names_of_the_splits():
    with pytest.raises(ValueError, match='"train", "validation", "test".*Received.*dev'):
        phrasebook("dev")


@pytest.mark.parametrize("num_pairs", [10**12, 0, -3, 2.5])
def test_more_pairs_than_there_are_or_none_are_refused(num_pairs):
    with pytest.raises(ValueError, match="`num_pairs`.*from 1 to 100,000.*Received"):
        phrasebook("test", num_pairs=num_pairs)


@pytest.mark.parametrize("seed", [-1, None, "0"])
def test_a_seed_that_is_no_number_is_refused(seed):
    with pytest.raises(ValueError, match="`seed`.*Received"):
        phrasebook("test", num_pairs=3, seed=seed)
