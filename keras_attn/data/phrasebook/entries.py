"""The entries of the phrasebook's lexicon, and the functions that read tables of them."""

from dataclasses import dataclass

# Kinds of nouns that follow from others.
GROUPS = {
    "portable": frozenset({"object", "text", "clothing"}),
    "goods": frozenset({"object", "text", "clothing", "food", "furniture", "own"}),
}


@dataclass(frozen=True, eq=False)
class Noun:
    """A noun in both languages; `kinds` says which verbs and adjectives it goes with."""

    singular: str
    plural: str  # empty for a mass noun
    gender: str  # "masculine", "feminine" or "neuter"
    german_singular: str
    german_plural: str
    kinds: frozenset[str]


@dataclass(frozen=True, eq=False)
class Verb:
    """A verb in both languages; `kinds` are the nouns that it takes as direct object."""

    english: str  # "try on"
    past: str  # "tried on"; empty where the past is not used
    german: str  # infinitive without the separable prefix: "probieren"
    prefix: str  # "an"; empty for most verbs
    forms: tuple[str, ...]  # the irregular ones: (du, er) or (ich, du, er)
    participle: str  # "anprobiert"
    auxiliary: str  # "haben" or "sein"
    kinds: frozenset[str]


@dataclass(frozen=True, eq=False)
class Adjective:
    """An adjective; `stem` carries the German endings, `kinds` are the nouns that it describes."""

    english: str
    german: str
    stem: str
    kinds: frozenset[str]


@dataclass(frozen=True)
class Adverbial:
    """A fixed expression of time; `tenses` are those that it goes with."""

    english: str
    german: str
    tenses: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Preposition:
    """A preposition, the case it governs here, and the kind of noun it takes here."""

    english: str
    german: str
    case: str
    kind: str


def read_rows(table: str) -> list[list[str]]:
    """Splits a table into rows of cells, separated by "|"."""
    return [[cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()]


def read_nouns(table: str) -> tuple[Noun, ...]:
    """Reads rows "man men | der Mann Männer | kinds"; a mass noun has no plural."""
    genders = {"der": "masculine", "die": "feminine", "das": "neuter"}
    nouns = []
    for english, german, kinds in read_rows(table):
        singular, _, plural = english.partition(" ")
        article, german_singular, *german_plural = german.split()
        gender, plural_form = genders[article], "".join(german_plural)
        kind_set = frozenset(kinds.split())
        kind_set |= {name for name, members in GROUPS.items() if kind_set & members}
        nouns.append(Noun(singular, plural, gender, german_singular, plural_form, kind_set))
    return tuple(nouns)


def read_verbs(table: str) -> tuple[Verb, ...]:
    """Reads rows "call, called | an-rufen | | angerufen | person".

    The third cell holds irregular forms (du and er); "ist" before the participle means sein.
    """
    verbs = []
    for english, german, forms, participle, kinds in read_rows(table):
        base, _, past = english.partition(",")
        prefix, _, infinitive = german.rpartition("-")
        form = participle.removeprefix("ist ")
        auxiliary = "haben" if form == participle else "sein"
        irregular, kind_set = tuple(forms.split()), frozenset(kinds.split())
        names = (base, past.strip(), infinitive, prefix)
        verbs.append(Verb(*names, irregular, form, auxiliary, kind_set))
    return tuple(verbs)


def read_adjectives(table: str) -> tuple[Adjective, ...]:
    """Reads rows "old | alt | kinds"."""
    stems = {"teuer": "teur", "müde": "müd"}
    return tuple(
        Adjective(english, german, stems.get(german, german), frozenset(kinds.split()))
        for english, german, kinds in read_rows(table)
    )
