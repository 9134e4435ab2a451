"""The sentence patterns: each draws one sentence and returns it in English and in German.

A pattern is a small function of a `Chooser`; `PATTERNS` lists them, the frequent ones several
times. `sentence_pair` draws one pair of any pattern. The English of a pair determines its German.
"""

import dataclasses
from collections.abc import Callable

from keras_attn.data.phrasebook.choices import (
    ADJECTIVES_BY_NOUN,
    INDEFINITE,
    NOUNS_BY_KIND,
    NOUNS_BY_VERB,
    PERSONS,
    SINGULAR,
    SPECIFIC,
    TRAITS,
    maybe_timed,
    noun_phrase,
    plain,
    predicate,
    subject,
    surface,
)
from keras_attn.data.phrasebook.chooser import Chooser
from keras_attn.data.phrasebook.entries import Adverbial
from keras_attn.data.phrasebook.inflection import (
    conjugate_english,
    english_number,
    german_number,
)
from keras_attn.data.phrasebook.lexicon import (
    FREQUENCIES,
    LOCATIONS,
    QUESTION_WORDS,
)
from keras_attn.data.phrasebook.phrases import Fixed, PrepositionalPhrase
from keras_attn.data.phrasebook.subordination import (
    circumstance,
    fronted_circumstance,
    reason_in_the_thing,
    reported,
    wondered,
)
from keras_attn.data.phrasebook.syntax import (
    Clause,
    english_question,
    english_statement,
    finish_sentence,
    german_inverted,
    german_statement,
)
from keras_attn.data.phrasebook.verbs import (
    BE,
    DATIVE_VERBS,
    INTRANSITIVE_VERBS,
    TRANSITIVE_VERBS,
)

Pair = tuple[str, str]
VEHICLES = NOUNS_BY_KIND["public"]
VEHICLE_VERBS = tuple(verb for verb in INTRANSITIVE_VERBS if "vehicle" in verb.kinds)


def statement(chooser: Chooser) -> Pair:
    """ "The man buys a book today." - "Der Mann kauft heute ein Buch." """
    clause = maybe_timed(chooser, predicate(chooser, subject(chooser)), 0.35)
    return finish_sentence(english_statement(clause), german_statement(clause))


def fronted_time(chooser: Chooser) -> Pair:
    """ "Today the man buys a book." - "Heute kauft der Mann ein Buch." """
    clause = maybe_timed(chooser, predicate(chooser, subject(chooser)), 1.0)
    return _with_time_first(clause, clause.time) if clause.time else statement(chooser)


def _with_time_first(clause: Clause, when: Adverbial) -> Pair:
    english = f"{when.english} {english_statement(clause, with_time=False)}"
    return finish_sentence(english, german_inverted(clause, when.german, with_time=False))


def negation(chooser: Chooser) -> Pair:
    """ "The man does not buy the book." - "Der Mann kauft das Buch nicht." """
    clause = predicate(chooser, subject(chooser, definite=True), negated=True)
    if clause.tense in ("must", "may"):  # "must not" and "may not" are nicht dürfen
        clause = dataclasses.replace(clause, tense="can")
    clause = maybe_timed(chooser, clause, 0.2)
    return finish_sentence(english_statement(clause), german_statement(clause))


def frequency(chooser: Chooser) -> Pair:
    """ "The man often drinks tea." - "Der Mann trinkt oft Tee." """
    clause = predicate(chooser, subject(chooser))
    is_indefinite = clause.accusative is None or not clause.accusative.is_definite
    if "state" in clause.verb.kinds or clause.dative or not is_indefinite:
        return statement(chooser)
    clause = dataclasses.replace(clause, tense="present", frequency=chooser.choose(FREQUENCIES))
    return finish_sentence(english_statement(clause), german_statement(clause))


def vehicle(chooser: Chooser) -> Pair:
    """ "The train departs at seven o'clock." - "Der Zug fährt um sieben Uhr ab." """
    train = noun_phrase(chooser, VEHICLES, SPECIFIC)
    tense = chooser.choose(("present", "past", "will", "must", "should"))
    clause = Clause(train, chooser.choose(VEHICLE_VERBS), tense)
    clause = maybe_timed(chooser, clause, 0.8)
    if clause.time and chooser.chance(0.3):
        return _with_time_first(clause, clause.time)
    return finish_sentence(english_statement(clause), german_statement(clause))


def yes_no_question(chooser: Chooser) -> Pair:
    """ "Does the man buy a book?" - "Kauft der Mann ein Buch?" """
    clause = predicate(chooser, subject(chooser))
    clause = maybe_timed(chooser, clause, 0.2)
    return finish_sentence(english_question(clause), german_inverted(clause), "?")


def adverb_question(chooser: Chooser) -> Pair:
    """ "Why does the man sleep?" - "Warum schläft der Mann?" """
    word = chooser.choose(tuple(QUESTION_WORDS))
    clause = predicate(chooser, subject(chooser, definite=True))
    if word == "where" and (clause.place or "state" in clause.verb.kinds):
        word = "why"
    if word == "when" and "state" in clause.verb.kinds:
        word = "why"
    german = german_inverted(clause, QUESTION_WORDS[word])
    return finish_sentence(english_question(clause, word), german, "?")


def object_question(chooser: Chooser) -> Pair:
    """ "What does the man buy?" - "Was kauft der Mann?"; whom: wen, and wem after helfen."""
    clause = predicate(chooser, subject(chooser, definite=True))
    if clause.verb in DATIVE_VERBS:
        opening, clause = ("who", "wem"), dataclasses.replace(clause, dative=None)
    elif clause.verb in TRANSITIVE_VERBS:
        opening = ("who", "wen") if "person" in clause.verb.kinds else ("what", "was")
        clause = dataclasses.replace(clause, accusative=None)
    else:
        return yes_no_question(chooser)
    clause = maybe_timed(chooser, clause, 0.2)
    english, german = english_question(clause, opening[0]), german_inverted(clause, opening[1])
    return finish_sentence(english, german, "?")


def which_question(chooser: Chooser) -> Pair:
    """ "Which book does the man buy?" - "Welches Buch kauft der Mann?"; also "how many books"."""
    verb = chooser.choose(TRANSITIVE_VERBS)
    kinds = (("which", False), ("which", True), ("how many", True))
    what = noun_phrase(chooser, NOUNS_BY_VERB[verb], kinds)
    if not what.noun.plural:
        what = dataclasses.replace(what, determiner="which")
    doer = subject(chooser, definite=True)
    tense = "present" if "state" in verb.kinds or not verb.past else chooser.choose(QUESTION_TENSES)
    clause = Clause(doer, verb, tense)
    english = english_question(clause, what.english())
    return finish_sentence(english, german_inverted(clause, what.german("accusative")), "?")


QUESTION_TENSES = ("present", "past", "can", "should", "want to")


def who_question(chooser: Chooser) -> Pair:
    """ "Who buys the book?" - "Wer kauft das Buch?" """
    clause = maybe_timed(chooser, predicate(chooser, Fixed("who", "wer")), 0.3)
    return finish_sentence(english_statement(clause), german_statement(clause), "?")


def description(chooser: Chooser) -> Pair:
    """ "The old house is very beautiful." - "Das alte Haus ist sehr schön." """
    if chooser.chance(0.4):
        doer = plain(subject(chooser, definite=True))
        adjective = chooser.choose(TRAITS)
    else:
        thing = noun_phrase(chooser, DESCRIBED, SPECIFIC, adjective_chance=0.0)
        doer, adjective = thing, chooser.choose(ADJECTIVES_BY_NOUN[thing.noun])
    negated = chooser.chance(0.2)
    degree = ("", "") if negated else chooser.choose(DEGREES)
    complement = (degree[0] + adjective.english, degree[1] + adjective.german)
    tense = chooser.choose(("present", "present", "past"))
    clause = Clause(doer, BE, tense, predicate=complement, negated=negated)
    if not negated and chooser.chance(0.2):
        return finish_sentence(english_question(clause), german_inverted(clause), "?")
    return finish_sentence(english_statement(clause), german_statement(clause))


DESCRIBED = tuple(noun for noun, found in ADJECTIVES_BY_NOUN.items() if found)
DEGREES = (("", ""), ("", ""), ("very ", "sehr "), ("too ", "zu "))


def comparison(chooser: Chooser) -> Pair:
    """ "The boy is as clever as his sister." - "Der Junge ist so klug wie seine Schwester." """
    doer = plain(subject(chooser, definite=True))
    other = noun_phrase(chooser, PERSONS, SPECIFIC, doer, 0.0)
    adjective = chooser.choose(TRAITS)
    english = f"as {adjective.english} as {other.english()}"
    clause = Clause(doer, BE, predicate=(english, f"so {adjective.german} wie {other.german()}"))
    return finish_sentence(english_statement(clause), german_statement(clause))


def age(chooser: Chooser) -> Pair:
    """ "My uncle is forty-two years old." - "Mein Onkel ist zweiundvierzig Jahre alt." """
    doer = plain(subject(chooser, definite=True))
    number = chooser.choose(range(2, 100))
    complement = (f"{english_number(number)} years old", f"{german_number(number)} Jahre alt")
    clause = Clause(doer, BE, predicate=complement)
    return finish_sentence(english_statement(clause), german_statement(clause))


def position(chooser: Chooser) -> Pair:
    """ "The key is on the table." - "Der Schlüssel ist auf dem Tisch." """
    thing = noun_phrase(chooser, NOUNS_BY_KIND["portable"], SPECIFIC)
    negated = chooser.chance(0.2)
    tense = chooser.choose(("present", "past"))
    clause = Clause(thing, BE, tense, place=surface(chooser), negated=negated)
    kind = chooser.choose(("statement", "statement", "question", "where"))
    if kind == "question" and not negated:
        return finish_sentence(english_question(clause), german_inverted(clause), "?")
    if kind == "where":
        clause = dataclasses.replace(clause, place=None, negated=False)
        return finish_sentence(
            english_question(clause, "where"), german_inverted(clause, "wo"), "?"
        )
    return finish_sentence(english_statement(clause), german_statement(clause))


def existence(chooser: Chooser) -> Pair:
    """ "There are two churches in this city." - "Es gibt zwei Kirchen in dieser Stadt." """
    nouns = NOUNS_BY_KIND["landmark"]
    thing = noun_phrase(chooser, nouns, INDEFINITE[:1] + (("number", True),) * 2, None, 0.5)
    where = noun_phrase(chooser, NOUNS_BY_KIND["region"], SINGULAR, thing, 0.15)
    place = PrepositionalPhrase(LOCATIONS[0], where)
    verb = conjugate_english(BE, thing.agreement)
    english = f"there {verb} {thing.english()} {place.english()}"
    return finish_sentence(english, f"es gibt {thing.german('accusative')} {place.german()}")


PATTERNS: tuple[Callable[[Chooser], Pair], ...] = (
    (statement,) * 6
    + (fronted_time,) * 3
    + (negation, yes_no_question, object_question, reported, circumstance) * 2
    + (frequency, vehicle, adverb_question, which_question, who_question, description)
    + (comparison, age, position, existence, wondered, fronted_circumstance, reason_in_the_thing)
)


def sentence_pair(chooser: Chooser) -> Pair:
    """Draws one sentence in English and in German.

    Example:
    >>> english, german = sentence_pair(Chooser(1))
    >>> english[-1] == german[-1]
    True
    """
    return chooser.choose(PATTERNS)(chooser)
