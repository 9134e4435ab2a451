"""The phrases that fill a sentence: each knows its English and its German in every case."""

from dataclasses import dataclass

from keras_attn.data.phrasebook.entries import Adjective, Noun, Preposition
from keras_attn.data.phrasebook.inflection import (
    decline_adjective,
    decline_determiner,
    decline_noun,
    english_number,
    german_number,
    join_preposition,
    with_article,
)
from keras_attn.data.phrasebook.lexicon import DER_WORDS, EIN_WORDS, POSSESSIVES, PRONOUNS


class Phrase:
    """A possible subject or object in both languages, with cases and agreement."""

    agreement = "3sg"
    is_definite = True
    is_light = False  # German puts pronouns and names before the time, other objects after it

    def english(self, case: str = "nominative") -> str:
        """Returns the English phrase."""
        raise NotImplementedError

    def german(self, case: str = "nominative", negated: bool = False) -> str:
        """Returns the German phrase; `negated` puts kein in place of an indefinite article."""
        raise NotImplementedError


@dataclass(frozen=True)
class NounPhrase(Phrase):
    """Determiner, number, adjective and noun.

    Args:
        noun: Noun. The head.
        determiner: str. "the", "this", "every", "which", "a", a possessive, "how many", or "".
        plural: bool. Whether the noun is in the plural.
        adjective: Adjective or `None`.
        number: int or `None`. A cardinal from 2 to 99 (then `plural` is true).

    Example:
    >>> from keras_attn.data.phrasebook.lexicon import ADJECTIVES, NOUNS
    >>> phrase = NounPhrase(NOUNS[0], "a", adjective=ADJECTIVES[0])
    >>> phrase.english(), phrase.german("accusative"), phrase.german("dative", negated=True)
    ('an old man', 'einen alten Mann', 'keinem alten Mann')
    """

    noun: Noun
    determiner: str = "the"
    plural: bool = False
    adjective: Adjective | None = None
    number: int | None = None

    @property
    def agreement(self) -> str:  # type: ignore[override]
        """Person and number of the verb that agrees with this phrase as its subject."""
        return "3pl" if self.plural else "3sg"

    @property
    def is_definite(self) -> bool:  # type: ignore[override]
        """Whether a negated sentence says nicht beside this phrase rather than kein in it."""
        return self.determiner in DER_WORDS or self.determiner in POSSESSIVES

    @property
    def gender(self) -> str:
        """The column of the German endings: the noun's gender, or "plural"."""
        return "plural" if self.plural else self.noun.gender

    def english(self, case: str = "nominative") -> str:
        """Returns the English phrase, the same in all cases."""
        words = [english_number(self.number)] if self.number else []
        words += [self.adjective.english] if self.adjective else []
        words += [self.noun.plural if self.plural else self.noun.singular]
        if self.determiner == "a":
            return with_article(" ".join(words))
        determiner = "these" if self.determiner == "this" and self.plural else self.determiner
        return " ".join([determiner, *words]).strip()

    def german(self, case: str = "nominative", negated: bool = False) -> str:
        """Returns the German phrase in a case."""
        determiner = "no" if negated else self.determiner
        words = []
        if determiner in DER_WORDS or determiner in EIN_WORDS:
            words.append(decline_determiner(determiner, case, self.gender))
        elif determiner == "how many":
            words.append("wie vielen" if case == "dative" else "wie viele")
        if self.number:
            words.append(german_number(self.number))
        if self.adjective:
            words.append(decline_adjective(self.adjective, determiner, case, self.gender))
        return " ".join([*words, decline_noun(self.noun, case, self.plural)])


@dataclass(frozen=True)
class Pronoun(Phrase):
    """A personal pronoun by its English subject form; "you" is du.

    Example:
    >>> she = Pronoun("she")
    >>> she.english("dative"), she.german("accusative"), she.german("dative")
    ('her', 'sie', 'ihr')
    """

    word: str
    is_light = True

    @property
    def agreement(self) -> str:  # type: ignore[override]
        """Person and number."""
        return PRONOUNS[self.word][5]

    def english(self, case: str = "nominative") -> str:
        """Returns the subject form, or the object form in the other cases."""
        return PRONOUNS[self.word][0 if case == "nominative" else 1]

    def german(self, case: str = "nominative", negated: bool = False) -> str:
        """Returns the German pronoun in a case."""
        return PRONOUNS[self.word][("nominative", "accusative", "dative").index(case) + 2]


@dataclass(frozen=True)
class Fixed(Phrase):
    """A subject that never changes: a name, "who" (wer), "it" (er, sie, es by what it stands for).

    Example:
    >>> Fixed("Anna", "Anna").german("dative")
    'Anna'
    """

    english_text: str
    german_text: str
    is_light = True

    def english(self, case: str = "nominative") -> str:
        """Returns the English text."""
        return self.english_text

    def german(self, case: str = "nominative", negated: bool = False) -> str:
        """Returns the German text."""
        return self.german_text


@dataclass(frozen=True)
class PrepositionalPhrase:
    """A preposition and its phrase, contracted in German where that is usual.

    Example:
    >>> from keras_attn.data.phrasebook.lexicon import LOCATIONS, NOUNS
    >>> garden = next(noun for noun in NOUNS if noun.singular == "garden")
    >>> phrase = PrepositionalPhrase(LOCATIONS[0], NounPhrase(garden))
    >>> phrase.english(), phrase.german()
    ('in the garden', 'im Garten')
    """

    preposition: Preposition
    phrase: Phrase

    def english(self) -> str:
        """Returns the English text."""
        return f"{self.preposition.english} {self.phrase.english(self.preposition.case)}"

    def german(self) -> str:
        """Returns the German text."""
        return join_preposition(self.preposition, self.phrase.german(self.preposition.case))
