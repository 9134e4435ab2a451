"""The dictionary forms that the phrasebook's English is made of."""

from keras_attn.data.phrasebook.inflection import ENGLISH_TENS, ENGLISH_UNITS
from keras_attn.data.phrasebook.lexicon import (
    ADJECTIVES,
    COMPANY,
    COMPLEMENTIZERS,
    CONJUNCTIONS,
    DER_WORDS,
    DIRECTIONS,
    EIN_WORDS,
    FOR,
    FREQUENCIES,
    LOCATIONS,
    MODALS,
    NOUNS,
    ON,
    PRONOUNS,
    QUESTION_WORDS,
    TIMES,
)
from keras_attn.data.phrasebook.verbs import (
    BE,
    DATIVE_VERBS,
    DITRANSITIVE_VERBS,
    INTRANSITIVE_VERBS,
    MOTION_VERBS,
    REPORTING_VERBS,
    TRANSITIVE_VERBS,
)

VERBS = (
    *TRANSITIVE_VERBS, *DATIVE_VERBS, *DITRANSITIVE_VERBS, *INTRANSITIVE_VERBS, *MOTION_VERBS,
    *REPORTING_VERBS, BE,
)  # fmt: skip


def lemmas() -> frozenset[str]:
    """Returns the English lemmas without names; an expression such as "on Monday" counts once.

    Example:
    >>> {"house", "pick up", "twenty", "whether"} <= lemmas(), "houses" in lemmas()
    (True, False)
    """
    words = {noun.singular for noun in NOUNS}
    words.update(verb.english for verb in VERBS)
    words.update(adjective.english for adjective in ADJECTIVES)
    words.update(entry.english for entry in (*TIMES, *FREQUENCIES))
    words.update(entry.english for entry in (*LOCATIONS, *DIRECTIONS, *COMPANY, ON, FOR))
    for table in (PRONOUNS, MODALS, DER_WORDS, EIN_WORDS, CONJUNCTIONS, COMPLEMENTIZERS):
        words.update(table)
    words.update(QUESTION_WORDS, ENGLISH_UNITS[2:], ENGLISH_TENS[2:])
    return frozenset(words - {"no"})  # "no" stands for kein in a German phrase only
