"""Word order: one clause, and how English and German line up its words.

German main clauses have the finite verb second and the rest of the verb at the end ("ruft ... an",
"hat ... gekauft", "kann ... kaufen"); questions start with it; subordinate clauses end with it.
Between the two come, in this order, the subject (unless it comes first), pronouns and names, time,
dative, accusative, nicht, and what belongs to the verb (place, direction, predicate).
"""

from dataclasses import dataclass

from keras_attn.data.phrasebook.entries import Adverbial, Verb
from keras_attn.data.phrasebook.inflection import (
    conjugate_english,
    conjugate_german,
    conjugate_modal,
)
from keras_attn.data.phrasebook.lexicon import MODALS
from keras_attn.data.phrasebook.phrases import Phrase, PrepositionalPhrase
from keras_attn.data.phrasebook.verbs import BE


@dataclass(frozen=True)
class Clause:
    """Who does what to whom, when and where, before any word order.

    Args:
        subject: Phrase.
        verb: Verb.
        tense: str. "present", "past", or a modal ("can", ..., and "will" for the future).
        dative: Phrase or `None`. The object that German puts in the dative.
        accusative: Phrase or `None`. The object that German puts in the accusative.
        predicate: pair of str or `None`. English and German of what follows "to be".
        place: PrepositionalPhrase or `None`. Place, direction or company.
        time: Adverbial or `None`. Comes last in English ("today").
        frequency: Adverbial or `None`. Comes before the English verb ("often").
        negated: bool. nicht, or kein when the accusative is indefinite.
    """

    subject: Phrase
    verb: Verb
    tense: str = "present"
    dative: Phrase | None = None
    accusative: Phrase | None = None
    predicate: tuple[str, str] | None = None
    place: PrepositionalPhrase | None = None
    time: Adverbial | None = None
    frequency: Adverbial | None = None
    negated: bool = False


def _words(*parts: str) -> str:
    """Joins the parts that are not empty by spaces."""
    return " ".join(part for part in parts if part)


def english_operator(clause: Clause) -> tuple[str, str]:
    """Splits the English verb into what inverts in questions and the rest: "does", "buy"."""
    verb, agreement = clause.verb, clause.subject.agreement
    if verb is BE:
        return conjugate_english(verb, agreement, clause.tense), ""
    do = "does" if agreement == "3sg" else "do"
    if clause.tense in ("present", "past"):
        return ("did" if clause.tense == "past" else do), verb.english
    if clause.tense == "want to":
        return do, f"want to {verb.english}"
    operator, _, rest = clause.tense.partition(" ")
    return operator, _words(rest, verb.english)


def english_statement(clause: Clause, with_time: bool = True) -> str:
    """Lines the clause up as an English statement, main or subordinate."""
    operator, rest = english_operator(clause)
    agreement = clause.subject.agreement
    if clause.negated:
        verb = _words("cannot" if operator == "can" else f"{operator} not", rest)
    elif clause.verb is not BE and clause.tense in ("present", "past"):
        verb = conjugate_english(clause.verb, agreement, clause.tense)
    elif clause.tense == "want to":
        verb = _words("wants to" if agreement == "3sg" else "want to", clause.verb.english)
    else:
        verb = _words(operator, rest)
    frequency = clause.frequency.english if clause.frequency else ""
    return _words(clause.subject.english(), frequency, verb, _english_end(clause, with_time))


def english_question(clause: Clause, opening: str = "") -> str:
    """Lines the clause up as an English question, after an optional question word."""
    operator, rest = english_operator(clause)
    negation = "not" if clause.negated else ""
    subject = clause.subject.english()
    return _words(opening, operator, subject, negation, rest, _english_end(clause))


def _english_end(clause: Clause, with_time: bool = True) -> str:
    """Returns what follows the English verb."""
    return _words(
        clause.dative.english("dative") if clause.dative else "",
        clause.accusative.english("accusative") if clause.accusative else "",
        clause.predicate[0] if clause.predicate else "",
        clause.place.english() if clause.place else "",
        clause.time.english if clause.time and with_time else "",
    )


def german_verb(clause: Clause) -> tuple[str, str]:
    """Splits the German verb into its finite form and what comes at the end: "ruft", "an"."""
    verb, agreement = clause.verb, clause.subject.agreement
    if clause.tense in MODALS:
        return conjugate_modal(clause.tense, agreement), verb.prefix + verb.german
    if verb is BE:
        return conjugate_german(BE, agreement, clause.tense), ""
    if clause.tense == "past":
        auxiliary = {"1sg": "habe", "2sg": "hast", "3sg": "hat"}.get(agreement, "haben")
        if verb.auxiliary == "sein":
            auxiliary = conjugate_german(BE, agreement)
        return auxiliary, verb.participle
    return conjugate_german(verb, agreement), verb.prefix


def german_statement(clause: Clause) -> str:
    """Lines the clause up as a German statement that opens with its subject."""
    finite, end = german_verb(clause)
    return _words(clause.subject.german(), finite, _german_middle(clause), end)


def german_inverted(clause: Clause, opening: str = "", with_time: bool = True) -> str:
    """Puts the finite verb before the subject: a question, or a statement after an opening."""
    finite, end = german_verb(clause)
    middle = _german_middle(clause, with_time)
    return _words(opening, finite, clause.subject.german(), middle, end)


def german_subordinate(clause: Clause) -> str:
    """Puts the finite verb last, as after dass, weil, wenn and ob."""
    finite, end = german_verb(clause)
    is_separable = bool(clause.verb.prefix) and clause.tense == "present"
    ending = end + finite if is_separable else _words(end, finite)
    return _words(clause.subject.german(), _german_middle(clause), ending)


def _german_middle(clause: Clause, with_time: bool = True) -> str:
    """Returns the German middle field without the subject."""
    dative, accusative = clause.dative, clause.accusative
    light: list[str] = []
    nouns: list[str] = []
    says_nicht = clause.negated
    if dative:
        (light if dative.is_light else nouns).append(dative.german("dative"))
    if accusative:
        negates_object = clause.negated and not accusative.is_definite
        says_nicht = clause.negated and not negates_object
        text = accusative.german("accusative", negated=negates_object)
        (light if accusative.is_light else nouns).append(text)
    return _words(
        *light,
        clause.time.german if clause.time and with_time else "",
        clause.frequency.german if clause.frequency else "",
        *nouns,
        "nicht" if says_nicht else "",
        clause.predicate[1] if clause.predicate else "",
        clause.place.german() if clause.place else "",
    )


def finish_sentence(english: str, german: str, mark: str = ".") -> tuple[str, str]:
    """Capitalizes both sides and ends them with a mark."""
    return english[0].upper() + english[1:] + mark, german[0].upper() + german[1:] + mark
