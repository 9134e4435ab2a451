"""The sentence patterns with a subordinate clause, whose German verb comes last."""

import dataclasses

from keras_attn.data.phrasebook.choices import (
    ADJECTIVES_BY_NOUN,
    NOUNS_BY_VERB,
    SPECIFIC,
    anaphor,
    feeling,
    maybe_timed,
    noun_phrase,
    predicate,
    subject,
)
from keras_attn.data.phrasebook.chooser import Chooser
from keras_attn.data.phrasebook.lexicon import COMPLEMENTIZERS, CONJUNCTIONS
from keras_attn.data.phrasebook.phrases import Phrase
from keras_attn.data.phrasebook.syntax import (
    Clause,
    english_statement,
    finish_sentence,
    german_inverted,
    german_statement,
    german_subordinate,
)
from keras_attn.data.phrasebook.verbs import BE, REPORTING_VERBS, TRANSITIVE_VERBS

Pair = tuple[str, str]
ASK = next(verb for verb in TRANSITIVE_VERBS if verb.english == "ask")
KNOW = next(verb for verb in REPORTING_VERBS if verb.english == "know")
# What people do to a thing because of what it is like.
REASON_VERBS = tuple(
    verb
    for verb in TRANSITIVE_VERBS
    if verb.english in ("buy", "sell", "look for", "eat", "read", "like", "need", "wash", "have")
)


def reported(chooser: Chooser) -> Pair:
    """ "I know that the man buys a book." - "Ich weiß, dass der Mann ein Buch kauft." """
    speaker, verb = subject(chooser, definite=True), chooser.choose(REPORTING_VERBS)
    return _complement(chooser, Clause(speaker, verb), "that")


def wondered(chooser: Chooser) -> Pair:
    """ "She does not know whether he is sick." - "Sie weiß nicht, ob er krank ist." """
    speaker, asks = subject(chooser, definite=True), chooser.chance(0.5)
    matrix = Clause(speaker, ASK) if asks else Clause(speaker, KNOW, negated=True)
    return _complement(chooser, matrix, "whether")


def _complement(chooser: Chooser, matrix: Clause, word: str) -> Pair:
    clause = maybe_timed(chooser, _fact(chooser, subject(chooser, definite=True)), 0.15)
    english = f"{english_statement(matrix)} {word} {english_statement(clause)}"
    german = f"{german_statement(matrix)}, {COMPLEMENTIZERS[word]} {german_subordinate(clause)}"
    return finish_sentence(english, german)


def _fact(chooser: Chooser, doer: Phrase) -> Clause:
    """Draws what a subordinate clause says: what somebody does, now and then negated, or feels."""
    if chooser.chance(0.25):
        return feeling(chooser, doer)
    negated = chooser.chance(0.15)
    clause = predicate(chooser, doer, negated)
    if negated and clause.tense in ("must", "may"):
        clause = dataclasses.replace(clause, tense="can")
    return clause


def _without_past(clause: Clause) -> Clause:
    """Replaces the past with the present: what happens "if ..." is not past."""
    return dataclasses.replace(clause, tense="present") if clause.tense == "past" else clause


def _condition(clause: Clause) -> Clause:
    """Gives a clause after "if" its tense: present, or a modal that makes sense there."""
    tense = clause.tense if clause.tense in ("can", "must", "want to") else "present"
    return dataclasses.replace(clause, tense=tense)


def circumstance(chooser: Chooser) -> Pair:
    """ "The man sleeps because he is tired." - "Der Mann schläft, weil er müde ist." """
    main = predicate(chooser, subject(chooser, definite=True))
    word = chooser.choose(tuple(CONJUNCTIONS))
    doer = anaphor(main.subject)
    if doer is None or chooser.chance(0.3):
        doer = subject(chooser, definite=True)
    clause = _fact(chooser, doer)
    if word == "if":
        main, clause = _without_past(main), _condition(clause)
    english = f"{english_statement(main)} {word} {english_statement(clause)}"
    german = f"{german_statement(main)}, {CONJUNCTIONS[word]} {german_subordinate(clause)}"
    return finish_sentence(english, german)


def fronted_circumstance(chooser: Chooser) -> Pair:
    """ "If the man is tired, he sleeps." - "Wenn der Mann müde ist, schläft er." """
    clause = _fact(chooser, subject(chooser, definite=True))
    word = chooser.choose(tuple(CONJUNCTIONS))
    doer = anaphor(clause.subject)
    if doer is None or chooser.chance(0.3):
        doer = subject(chooser, definite=True)
    main = predicate(chooser, doer)
    if word == "if":
        main, clause = _without_past(main), _condition(clause)
    english = f"{word} {english_statement(clause)}, {english_statement(main)}"
    opening = f"{CONJUNCTIONS[word]} {german_subordinate(clause)},"
    return finish_sentence(english, german_inverted(main, opening))


def reason_in_the_thing(chooser: Chooser) -> Pair:
    """ "He buys the coat because it is cheap." - "Er kauft den Mantel, weil er billig ist." """
    verb = chooser.choose(REASON_VERBS)
    things = [noun for noun in NOUNS_BY_VERB[verb] if "person" not in noun.kinds]
    what = noun_phrase(chooser, things, SPECIFIC, adjective_chance=0.0)
    tense = "present" if "state" in verb.kinds or not verb.past else chooser.choose(REASON_TENSES)
    negated = chooser.chance(0.2)
    doer = subject(chooser, definite=True)
    main = Clause(doer, verb, tense, accusative=what, negated=negated)
    adjective = chooser.choose(ADJECTIVES_BY_NOUN[what.noun])
    complement = (adjective.english, adjective.german)
    clause = Clause(anaphor(what) or what, BE, predicate=complement)
    english = f"{english_statement(main)} because {english_statement(clause)}"
    return finish_sentence(english, f"{german_statement(main)}, weil {german_subordinate(clause)}")


REASON_TENSES = ("present", "present", "past", "want to")
