"""How the words change: German declension and conjugation, English agreement, numbers in words."""

from keras_attn.data.phrasebook.entries import Adjective, Noun, Preposition, Verb
from keras_attn.data.phrasebook.lexicon import DER_WORDS, EIN_WORDS, MODALS
from keras_attn.data.phrasebook.verbs import BE

# Endings by case, in the order of GENDERS.
GENDERS = ("masculine", "feminine", "neuter", "plural")
ARTICLES = {
    "nominative": ("der", "die", "das", "die"),
    "accusative": ("den", "die", "das", "die"),
    "dative": ("dem", "der", "dem", "den"),
}
STRONG = {
    "nominative": ("er", "e", "es", "e"),
    "accusative": ("en", "e", "es", "e"),
    "dative": ("em", "er", "em", "en"),
}
EIN = {
    "nominative": ("", "e", "", "e"),
    "accusative": ("en", "e", "", "e"),
    "dative": ("em", "er", "em", "en"),
}
WEAK = {
    "nominative": ("e", "e", "e", "en"),
    "accusative": ("en", "e", "e", "en"),
    "dative": ("en", "en", "en", "en"),
}
MIXED = {
    "nominative": ("er", "e", "es", "en"),
    "accusative": ("en", "e", "es", "en"),
    "dative": ("en", "en", "en", "en"),
}

CONTRACTIONS = {
    ("in", "dem"): "im",
    ("in", "das"): "ins",
    ("zu", "dem"): "zum",
    ("zu", "der"): "zur",
}

BE_FORMS = {
    ("english", "present"): {"1sg": "am", "2sg": "are", "3sg": "is", "1pl": "are", "3pl": "are"},
    ("english", "past"): {"1sg": "was", "2sg": "were", "3sg": "was", "1pl": "were", "3pl": "were"},
    ("german", "present"): {
        "1sg": "bin", "2sg": "bist", "3sg": "ist", "1pl": "sind", "3pl": "sind",
    },
    ("german", "past"): {
        "1sg": "war", "2sg": "warst", "3sg": "war", "1pl": "waren", "3pl": "waren",
    },
}  # fmt: skip

ENGLISH_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
).split()
ENGLISH_TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()
GERMAN_UNITS = (
    "null ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn "
    "sechzehn siebzehn achtzehn neunzehn"
).split()
GERMAN_TENS = "_ _ zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig".split()


def english_number(number: int) -> str:
    """Spells a number from 2 to 99.

    Example:
    >>> english_number(42)
    'forty-two'
    """
    tens, units = divmod(number, 10)
    if number < 20:
        return ENGLISH_UNITS[number]
    return ENGLISH_TENS[tens] + (f"-{ENGLISH_UNITS[units]}" if units else "")


def german_number(number: int) -> str:
    """Spells a number from 2 to 99.

    Example:
    >>> german_number(42)
    'zweiundvierzig'
    """
    tens, units = divmod(number, 10)
    if number < 20:
        return GERMAN_UNITS[number]
    return (f"{GERMAN_UNITS[units]}und" if units else "") + GERMAN_TENS[tens]


def decline_noun(noun: Noun, case: str, plural: bool) -> str:
    """Returns the German noun's form: dative plural -n, weak nouns like their plural.

    Example:
    >>> from keras_attn.data.phrasebook.lexicon import NOUNS
    >>> man, boy = NOUNS[0], NOUNS[3]
    >>> decline_noun(man, "dative", plural=True), decline_noun(boy, "accusative", plural=False)
    ('Männern', 'Jungen')
    """
    if plural:
        takes_n = case == "dative" and not noun.german_plural.endswith(("n", "s"))
        return noun.german_plural + ("n" if takes_n else "")
    if "weak" in noun.kinds and case != "nominative":
        return noun.german_plural
    return noun.german_singular


def decline_determiner(determiner: str, case: str, gender: str) -> str:
    """Returns the German form of an English determiner; `gender` may be "plural".

    Example:
    >>> decline_determiner("the", "dative", "feminine")
    'der'
    >>> decline_determiner("my", "accusative", "masculine")
    'meinen'
    """
    column = GENDERS.index(gender)
    if determiner == "the":
        return ARTICLES[case][column]
    if determiner in DER_WORDS:
        return DER_WORDS[determiner] + STRONG[case][column]
    return EIN_WORDS[determiner] + EIN[case][column]


def decline_adjective(adjective: Adjective, determiner: str, case: str, gender: str) -> str:
    """Returns the German adjective: weak after der words, mixed after ein words, else strong.

    Example:
    >>> from keras_attn.data.phrasebook.lexicon import ADJECTIVES
    >>> old = ADJECTIVES[0]
    >>> [decline_adjective(old, word, "nominative", "masculine") for word in ("the", "a", "")]
    ['alte', 'alter', 'alter']
    """
    endings = WEAK if determiner in DER_WORDS else MIXED if determiner in EIN_WORDS else STRONG
    return adjective.stem + endings[case][GENDERS.index(gender)]


def join_preposition(preposition: Preposition, german_phrase: str) -> str:
    """Puts the German preposition before a phrase and contracts it: "in dem" is "im".

    Example:
    >>> join_preposition(Preposition("to", "zu", "dative", "goal"), "der Schule")
    'zur Schule'
    """
    first, _, rest = german_phrase.partition(" ")
    contraction = CONTRACTIONS.get((preposition.german, first))
    return f"{contraction} {rest}" if contraction else f"{preposition.german} {german_phrase}"


def conjugate_german(verb: Verb, agreement: str, tense: str = "present") -> str:
    """Returns the finite form without the separable prefix ("past" only for sein).

    Example:
    >>> from keras_attn.data.phrasebook.verbs import INTRANSITIVE_VERBS
    >>> sleep, work = INTRANSITIVE_VERBS[:2]
    >>> conjugate_german(sleep, "3sg"), conjugate_german(work, "2sg")
    ('schläft', 'arbeitest')
    """
    if verb is BE:
        return BE_FORMS["german", tense][agreement]
    if agreement in ("1pl", "3pl"):
        return verb.german
    index = ("1sg", "2sg", "3sg").index(agreement) - (3 - len(verb.forms))
    if verb.forms and index >= 0:
        return verb.forms[index]
    stem = verb.german.removesuffix("en")
    if agreement == "1sg":
        return f"{stem}e"
    # A t after these needs a vowel: "arbeitet", "findet", "öffnet", "zeichnet" (but "wohnt").
    vowel = "e" if stem.endswith(("d", "t", "fn", "chn")) else ""
    if agreement == "3sg":
        return f"{stem}{vowel}t"
    return f"{stem}t" if stem[-1] in "sßzx" else f"{stem}{vowel}st"


def conjugate_modal(modal: str, agreement: str) -> str:
    """Returns the German form of an English modal.

    Example:
    >>> conjugate_modal("would like to", "2sg")
    'möchtest'
    """
    return MODALS[modal][{"1sg": 0, "2sg": 1, "3sg": 2}.get(agreement, 3)]


def conjugate_english(verb: Verb, agreement: str, tense: str = "present") -> str:
    """Returns the English finite form; what follows the first word ("try on") stays.

    Example:
    >>> from keras_attn.data.phrasebook.verbs import TRANSITIVE_VERBS
    >>> buy = TRANSITIVE_VERBS[0]
    >>> conjugate_english(buy, "3sg"), conjugate_english(buy, "3sg", "past")
    ('buys', 'bought')
    """
    if verb is BE:
        return BE_FORMS["english", tense][agreement]
    if tense == "past":
        return verb.past
    if agreement != "3sg":
        return verb.english
    word, space, rest = verb.english.partition(" ")
    if word == "have":
        return "has"
    if word.endswith(("s", "sh", "ch", "x", "o")):
        word += "es"
    elif word.endswith("y") and word[-2] not in "aeiou":
        word = word[:-1] + "ies"
    else:
        word += "s"
    return word + space + rest


def with_article(phrase: str) -> str:
    """Puts "a" or "an" before an English phrase.

    Example:
    >>> with_article("old man"), with_article("big apple")
    ('an old man', 'a big apple')
    """
    return f"an {phrase}" if phrase[0] in "aeiou" else f"a {phrase}"
