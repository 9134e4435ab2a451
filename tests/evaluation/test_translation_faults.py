"""Each fault is found where it is, and nowhere else."""

import pytest

from keras_attn.evaluation import FAULTS, translation_faults

GOOD = [
    ("Where is the station?", "Wo ist der Bahnhof?"),
    ("Ha, ha, ha!", "Ha, ha, ha!"),  # the loop is the source's
    ("I paid 1,000.50 euros at 10:30.", "Um 10:30 habe ich 1.000,50 Euro bezahlt."),
    ("...", "..."),
    ("", ""),
    ("Tom Jackson", "Tom Jackson"),
    ("Dog", "Hund"),
    ("He came, and he saw.", "Er kam, und er sah."),
]
BAD = [
    ("Where is it?", "", "empty"),
    ("5", "!", "empty"),
    ("Dog", "Hund Hund Hund", "loop"),
    ("I see the man and the dog.", "Ich sehe den Mann und den Mann und den Mann und den", "loop"),
    ("Yes.", "Ja, das ist es, was ich heute sagen wollte.", "long"),
    ("I do not think that we can come to you before the end of the week.", "Ich denke.", "short"),
    ("It is 3:45.", "Es ist 3:54.", "number"),
    ("Two dogs.", "2 Hunde.", "number"),
    ("Where is the station?", "Where is the station?", "copied"),
    ("Où est-il ?", "Wo ist \u2047?", "unknown"),
]


@pytest.mark.parametrize("source, translation", GOOD)
def test_a_good_translation_has_no_fault(source, translation):
    assert translation_faults(source, translation) == []


@pytest.mark.parametrize("source, translation, fault", BAD)
def test_a_fault_is_found(source, translation, fault):
    assert fault in translation_faults(source, translation)


def test_all_faults_are_tested():
    assert {fault for *_, fault in BAD} == set(FAULTS)
