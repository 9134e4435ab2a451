"""What a sentence may be made of: phrases and predicates drawn so that they make sense together."""

import dataclasses
from collections.abc import Iterable, Sequence

from keras_attn.data.phrasebook.chooser import Chooser
from keras_attn.data.phrasebook.entries import Adjective, Adverbial, Noun, Verb
from keras_attn.data.phrasebook.inflection import english_number, german_number
from keras_attn.data.phrasebook.lexicon import (
    ADJECTIVES,
    COMPANY,
    DIRECTIONS,
    FOR,
    LOCATIONS,
    MODALS,
    NAMES,
    NOUNS,
    ON,
    POSSESSIVES,
    PRONOUNS,
    TIMES,
)
from keras_attn.data.phrasebook.phrases import (
    Fixed,
    NounPhrase,
    Phrase,
    PrepositionalPhrase,
    Pronoun,
)
from keras_attn.data.phrasebook.syntax import Clause
from keras_attn.data.phrasebook.verbs import (
    BE,
    DATIVE_VERBS,
    DITRANSITIVE_VERBS,
    INTRANSITIVE_VERBS,
    MOTION_VERBS,
    TRANSITIVE_VERBS,
)

# (determiner, plural); the frequent ones are repeated.
SPECIFIC = (
    (("the", False),) * 6
    + (("the", True),) * 4
    + (("this", False), ("this", True))
    + tuple((word, plural) for word in POSSESSIVES for plural in (False, True))
)
SINGULAR = tuple(pair for pair in SPECIFIC if not pair[1])
INDEFINITE = (("a", False),) * 5
UNSPECIFIC = INDEFINITE + (("", True), ("", True), ("number", True), ("number", True))
EVERY = (("every", False),)


def nouns_of(kinds: Iterable[str]) -> tuple[Noun, ...]:
    """Returns the nouns of any of these kinds."""
    wanted = frozenset(kinds)
    return tuple(noun for noun in NOUNS if noun.kinds & wanted)


def adjectives_of(noun: Noun) -> tuple[Adjective, ...]:
    """Returns the adjectives that describe a noun."""
    return tuple(adjective for adjective in ADJECTIVES if adjective.kinds & noun.kinds)


# Computed once: which words go together.
NOUNS_BY_VERB = {
    verb: nouns_of(verb.kinds) for verb in (*TRANSITIVE_VERBS, *DITRANSITIVE_VERBS, *MOTION_VERBS)
}
NOUNS_BY_KIND = {
    kind: nouns_of({kind}) for kind in sorted({kind for noun in NOUNS for kind in noun.kinds})
}
ADJECTIVES_BY_NOUN = {noun: adjectives_of(noun) for noun in NOUNS}
TIMES_BY_TENSE = {
    column: tuple(time for time in TIMES if column in time.tenses)
    for column in ("present", "past", "modal", "will")
}
PERSONS = NOUNS_BY_KIND["person"]
MOODS = tuple(adjective for adjective in ADJECTIVES if "mood" in adjective.kinds)
TRAITS = tuple(adjective for adjective in ADJECTIVES if "person" in adjective.kinds)


def noun_phrase(
    chooser: Chooser,
    nouns: Sequence[Noun],
    determiners: Sequence[tuple[str, bool]] = SPECIFIC + UNSPECIFIC,
    other_than: Phrase | None = None,
    adjective_chance: float = 0.3,
) -> NounPhrase:
    """Draws a noun phrase whose noun is not that of the phrase `other_than`."""
    noun = chooser.choose(nouns)
    while isinstance(other_than, NounPhrase) and noun is other_than.noun:
        noun = chooser.choose(nouns)
    determiner, plural = chooser.choose(determiners)
    if determiner in POSSESSIVES and noun.kinds & (
        {"unowned", "single"} if plural else {"unowned"}
    ):
        determiner = "the"
    if not noun.plural:  # a mass noun: "water", "the water", never "a water"
        plural = False
        determiner = "" if determiner in ("a", "number", "every") else determiner
    number = None
    if determiner == "number":
        is_few = "person" in noun.kinds or chooser.chance(0.5)
        determiner, number = "", chooser.choose(range(2, 13) if is_few else range(2, 100))
    adjective = None
    if ADJECTIVES_BY_NOUN[noun] and chooser.chance(adjective_chance):
        adjective = chooser.choose(ADJECTIVES_BY_NOUN[noun])
    return NounPhrase(noun, determiner, plural, adjective, number)


def name(chooser: Chooser) -> Fixed:
    """Draws a proper name."""
    text = chooser.choose(tuple(NAMES))
    return Fixed(text, text)


def subject(chooser: Chooser, definite: bool = False) -> Phrase:
    """Draws who does it: a pronoun, a name or persons; `definite` leaves "a man" out."""
    if chooser.chance(0.35):
        return Pronoun(chooser.choose(tuple(PRONOUNS)))
    if chooser.chance(0.15):
        return name(chooser)
    return noun_phrase(chooser, PERSONS, SPECIFIC if definite else SPECIFIC + UNSPECIFIC + EVERY)


def person(
    chooser: Chooser, doer: Phrase, case: str, definite: bool = False, pronouns: bool = True
) -> Phrase:
    """Draws a person other than the subject, as an object in a case."""
    if pronouns and chooser.chance(0.25):
        # "them" and "her" are both "sie" in the accusative, so "them" is kept for the dative.
        words = ("I", "you", "he", "she", "we") + (("they",) if case == "dative" else ())
        mine = doer.agreement[0] if doer.agreement[0] in "12" else ""
        return Pronoun(chooser.choose([w for w in words if Pronoun(w).agreement[0] != mine]))
    if chooser.chance(0.1):
        drawn = name(chooser)
        if drawn != doer:
            return drawn
    determiners = SPECIFIC if definite else SPECIFIC + UNSPECIFIC
    return noun_phrase(chooser, PERSONS, determiners, doer)


def tense(chooser: Chooser, verb: Verb) -> str:
    """Draws a tense or modal that the verb has."""
    if "state" in verb.kinds or chooser.chance(0.35):
        return "present"
    if verb.past and chooser.chance(0.45):
        return "past"
    return chooser.choose(tuple(MODALS))


def time(chooser: Chooser, tense: str) -> Adverbial:
    """Draws a time that goes with the tense: "yesterday", "at seven o'clock"."""
    if chooser.chance(0.12):
        hour = chooser.choose(range(2, 13))
        return Adverbial(f"at {english_number(hour)} o'clock", f"um {german_number(hour)} Uhr")
    column = tense if tense in ("present", "past", "will") else "modal"
    return chooser.choose(TIMES_BY_TENSE[column])


def maybe_timed(chooser: Chooser, clause: Clause, probability: float) -> Clause:
    """Adds a time that goes with the tense, but none to a lasting state ("likes")."""
    if "state" in clause.verb.kinds or not chooser.chance(probability):
        return clause
    return dataclasses.replace(clause, time=time(chooser, clause.tense))


def location(chooser: Chooser) -> PrepositionalPhrase:
    """Draws where: "in the garden"."""
    preposition = chooser.choose(LOCATIONS + LOCATIONS[:2])
    return PrepositionalPhrase(
        preposition, noun_phrase(chooser, NOUNS_BY_KIND[preposition.kind], SINGULAR, None, 0.2)
    )


def surface(chooser: Chooser) -> PrepositionalPhrase:
    """Draws where a thing is: "on the table", "under my bed"."""
    preposition = chooser.choose((ON, ON, LOCATIONS[-1]))
    nouns = NOUNS_BY_KIND[ON.kind]
    return PrepositionalPhrase(preposition, noun_phrase(chooser, nouns, SINGULAR, None, 0.2))


def predicate(chooser: Chooser, doer: Phrase, negated: bool = False) -> Clause:
    """Draws what the subject does: a clause with its verb, tense and objects."""
    return chooser.choose(FRAMES)(chooser, doer, negated)


def _transitive(chooser: Chooser, doer: Phrase, negated: bool) -> Clause:
    verb = chooser.choose(TRANSITIVE_VERBS)
    when = tense(chooser, verb)
    if "person" in verb.kinds and chooser.chance(0.6):
        pronouns = "split" not in verb.kinds
        whom = person(chooser, doer, "accusative", negated, pronouns)
        return Clause(doer, verb, when, accusative=whom, negated=negated)
    determiners = SPECIFIC + UNSPECIFIC
    if negated:  # "does not buy seven books" would need its own rule
        determiners = tuple(pair for pair in determiners if pair[0] != "number")
    what = noun_phrase(chooser, NOUNS_BY_VERB[verb], determiners, doer)
    beneficiary = None
    if "benefit" in verb.kinds and not negated and chooser.chance(0.3):
        beneficiary = PrepositionalPhrase(FOR, person(chooser, doer, "accusative"))
    return Clause(doer, verb, when, accusative=what, place=beneficiary, negated=negated)


def _dative(chooser: Chooser, doer: Phrase, negated: bool) -> Clause:
    verb = chooser.choose(DATIVE_VERBS)
    whom = person(chooser, doer, "dative", definite=negated)
    return Clause(doer, verb, tense(chooser, verb), dative=whom, negated=negated)


def _ditransitive(chooser: Chooser, doer: Phrase, negated: bool) -> Clause:
    verb = chooser.choose(DITRANSITIVE_VERBS)
    whom = person(chooser, doer, "dative", definite=True)
    determiners = SPECIFIC + (INDEFINITE if negated else UNSPECIFIC)
    what = noun_phrase(chooser, NOUNS_BY_VERB[verb], determiners, None, 0.2)
    when = tense(chooser, verb)
    return Clause(doer, verb, when, dative=whom, accusative=what, negated=negated)


def _intransitive(chooser: Chooser, doer: Phrase, negated: bool) -> Clause:
    verb = chooser.choose(INTRANSITIVE_VERBS)
    place = None
    if "stays" in verb.kinds or ("place" in verb.kinds and chooser.chance(0.4)):
        place = location(chooser)
    elif "company" in verb.kinds and chooser.chance(0.4):
        preposition = chooser.choose(COMPANY[:1] if negated else COMPANY)
        place = PrepositionalPhrase(
            preposition, person(chooser, doer, preposition.case, definite=negated)
        )
    return Clause(doer, verb, tense(chooser, verb), place=place, negated=negated)


def _motion(chooser: Chooser, doer: Phrase, negated: bool) -> Clause:
    verb = chooser.choose(MOTION_VERBS)
    preposition = chooser.choose([way for way in DIRECTIONS if way.kind in verb.kinds])
    nouns = NOUNS_BY_KIND[preposition.kind]
    place = PrepositionalPhrase(preposition, noun_phrase(chooser, nouns, SINGULAR, None, 0.2))
    return Clause(doer, verb, tense(chooser, verb), place=place, negated=negated)


FRAMES = (_transitive,) * 5 + (_intransitive,) * 3 + (_dative, _ditransitive, _motion)


def plain(phrase: Phrase) -> Phrase:
    """Leaves the adjective out: no "the sad boy is happy"."""
    if isinstance(phrase, NounPhrase):
        return dataclasses.replace(phrase, adjective=None)
    return phrase


def feeling(chooser: Chooser, doer: Phrase, negated: bool = False) -> Clause:
    """Draws how somebody feels: "is tired"."""
    mood = chooser.choose(MOODS)
    doer = plain(doer)
    return Clause(doer, BE, predicate=(mood.english, mood.german), negated=negated)


def anaphor(phrase: Phrase) -> Phrase | None:
    """Returns the pronoun that refers to a subject, or `None` where the languages could differ.

    The girl is "she" in English but grammatically neuter in German, so it has none.

    Example:
    >>> anaphor(Fixed("Anna", "Anna"))
    Pronoun(word='she')
    """
    if isinstance(phrase, Pronoun):
        return phrase
    if isinstance(phrase, Fixed):
        return Pronoun(NAMES[phrase.english_text]) if phrase.english_text in NAMES else None
    if not isinstance(phrase, NounPhrase):
        return None
    if phrase.plural:
        return Pronoun("they")
    if "person" in phrase.noun.kinds:
        words = {"masculine": "he", "feminine": "she"}
        word = words.get(phrase.noun.gender)
        return Pronoun(word) if word else None
    return Fixed("it", {"masculine": "er", "feminine": "sie", "neuter": "es"}[phrase.noun.gender])
