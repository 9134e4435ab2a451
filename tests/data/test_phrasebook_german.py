"""The phrasebook's German: expected values are written by hand, from knowledge of German."""

import pytest

from keras_attn.data.phrasebook.chooser import Chooser
from keras_attn.data.phrasebook.grammar import existence, reason_in_the_thing
from keras_attn.data.phrasebook.inflection import (
    conjugate_english,
    conjugate_german,
    english_number,
    german_number,
)
from keras_attn.data.phrasebook.lemmas import VERBS
from keras_attn.data.phrasebook.lexicon import (
    ADJECTIVES,
    COMPANY,
    DIRECTIONS,
    FOR,
    FREQUENCIES,
    LOCATIONS,
    NOUNS,
    ON,
    TIMES,
)
from keras_attn.data.phrasebook.phrases import Fixed, NounPhrase, PrepositionalPhrase, Pronoun
from keras_attn.data.phrasebook.syntax import (
    Clause,
    english_question,
    english_statement,
    german_inverted,
    german_statement,
    german_subordinate,
)

NOUN = {noun.singular: noun for noun in NOUNS}
VERB = {verb.english: verb for verb in VERBS}
ADJECTIVE = {adjective.english: adjective for adjective in ADJECTIVES}
TIME = {time.english: time for time in (*TIMES, *FREQUENCIES)}
PREPOSITION = {word.english: word for word in (*LOCATIONS, *DIRECTIONS, *COMPANY, ON, FOR)}
ANNA = Fixed("Anna", "Anna")


def np(words: str, number: int | None = None) -> NounPhrase:
    """Reads "the old man", "a book", "my friends": determiner, adjective or none, noun."""
    *before, last = words.split()
    noun = next(noun for noun in NOUNS if last in (noun.singular, noun.plural))
    adjective = ADJECTIVE[before.pop()] if before and before[-1] in ADJECTIVE else None
    determiner = before[0] if before else ""
    return NounPhrase(noun, determiner, last == noun.plural, adjective, number)


def pp(preposition: str, phrase) -> PrepositionalPhrase:
    return PrepositionalPhrase(PREPOSITION[preposition], phrase)


def clause(subject, verb: str, tense: str = "present", **parts) -> Clause:
    for key in ("time", "frequency"):
        if key in parts:
            parts[key] = TIME[parts[key]]
    return Clause(subject, VERB[verb], tense, **parts)


@pytest.mark.parametrize(
    ("words", "nominative", "accusative", "dative"),
    [
        ("the old man", "der alte Mann", "den alten Mann", "dem alten Mann"),
        ("a old man", "ein alter Mann", "einen alten Mann", "einem alten Mann"),
        ("the young woman", "die junge Frau", "die junge Frau", "der jungen Frau"),
        ("a small child", "ein kleines Kind", "ein kleines Kind", "einem kleinen Kind"),
        ("my new coat", "mein neuer Mantel", "meinen neuen Mantel", "meinem neuen Mantel"),
        ("our children", "unsere Kinder", "unsere Kinder", "unseren Kindern"),
        ("this expensive lamp", "diese teure Lampe", "diese teure Lampe", "dieser teuren Lampe"),
        ("this house", "dieses Haus", "dieses Haus", "diesem Haus"),
        ("the tired boy", "der müde Junge", "den müden Jungen", "dem müden Jungen"),
        ("cold water", "kaltes Wasser", "kaltes Wasser", "kaltem Wasser"),
        ("fresh cheese", "frischer Käse", "frischen Käse", "frischem Käse"),
        ("hot milk", "heiße Milch", "heiße Milch", "heißer Milch"),
        ("fresh apples", "frische Äpfel", "frische Äpfel", "frischen Äpfeln"),
        ("her blue cars", "ihre blauen Autos", "ihre blauen Autos", "ihren blauen Autos"),
        ("every strong king", "jeder starke König", "jeden starken König", "jedem starken König"),
    ],
)
def test_noun_phrases_decline_in_all_three_cases(words, nominative, accusative, dative):
    phrase = np(words)
    assert phrase.german("nominative") == nominative
    assert phrase.german("accusative") == accusative
    assert phrase.german("dative") == dative


def test_indefinite_phrases_negate_with_kein():
    assert np("a old man").german("accusative", negated=True) == "keinen alten Mann"
    assert np("a old man").german("nominative", negated=True) == "kein alter Mann"
    assert np("new books").german("accusative", negated=True) == "keine neuen Bücher"
    assert np("cold water").german("accusative", negated=True) == "kein kaltes Wasser"


def test_numbers_from_2_to_99_are_written_out():
    german = {2: "zwei", 12: "zwölf", 16: "sechzehn", 17: "siebzehn", 20: "zwanzig", 30: "dreißig",
              21: "einundzwanzig", 67: "siebenundsechzig", 76: "sechsundsiebzig",
              99: "neunundneunzig"}  # fmt: skip
    assert {number: german_number(number) for number in german} == german
    assert [english_number(number) for number in (14, 40, 58)] == [
        "fourteen",
        "forty",
        "fifty-eight",
    ]
    assert len({german_number(number) for number in range(2, 100)}) == 98
    assert np("old friends", 33).german("dative") == "dreiunddreißig alten Freunden"


STATEMENTS = [
    # perfect with haben and sein, separable verbs
    (clause(np("the man"), "buy", "past", accusative=np("a book"), time="yesterday"),
     "the man bought a book yesterday", "der Mann hat gestern ein Buch gekauft"),
    (clause(np("the girls"), "get up", "past"),
     "the girls got up", "die Mädchen sind aufgestanden"),
    (clause(np("my aunt"), "call", accusative=np("the doctor"), time="today"),
     "my aunt calls the doctor today", "meine Tante ruft heute den Arzt an"),
    (clause(Pronoun("you"), "invite", accusative=np("our neighbor")),
     "you invite our neighbor", "du lädst unseren Nachbarn ein"),
    (clause(Pronoun("I"), "shop", "past", time="on Saturday"),
     "I shopped on Saturday", "ich habe am Samstag eingekauft"),
    (clause(Pronoun("he"), "return", "past", place=pp("with", np("his sons"))),
     "he returned with his sons", "er ist mit seinen Söhnen zurückgekommen"),
    # modal verbs and future
    (clause(np("the child"), "eat", "may", accusative=np("the cake")),
     "the child may eat the cake", "das Kind darf den Kuchen essen"),
    (clause(Pronoun("I"), "tidy", "must", accusative=np("the kitchen")),
     "I must tidy the kitchen", "ich muss die Küche aufräumen"),
    (clause(ANNA, "sell", "want to", accusative=np("this old car")),
     "Anna wants to sell this old car", "Anna will dieses alte Auto verkaufen"),
    (clause(Pronoun("you"), "drink", "would like to", accusative=np("hot tea")),
     "you would like to drink hot tea", "du möchtest heißen Tee trinken"),
    (clause(Pronoun("we"), "visit", "will", accusative=np("the museum"), time="tomorrow"),
     "we will visit the museum tomorrow", "wir werden morgen das Museum besuchen"),
    # dative verbs, two objects, pronouns before the time
    (clause(np("the teacher"), "help", dative=np("a student")),
     "the teacher helps a student", "der Lehrer hilft einem Studenten"),
    (clause(np("the women"), "thank", "past", dative=np("the young doctor")),
     "the women thanked the young doctor", "die Frauen haben dem jungen Arzt gedankt"),
    (clause(Pronoun("he"), "give", dative=np("his daughter"), accusative=np("a red ball")),
     "he gives his daughter a red ball", "er gibt seiner Tochter einen roten Ball"),
    (clause(Pronoun("she"), "see", accusative=Pronoun("he"), time="today"),
     "she sees him today", "sie sieht ihn heute"),
    (clause(np("the boy"), "follow", "past", dative=Pronoun("they")),
     "the boy followed them", "der Junge ist ihnen gefolgt"),
    # prepositions: place, direction, company, beneficiary, contractions
    (clause(np("the bird"), "sleep", place=pp("in", np("the garden"))),
     "the bird sleeps in the garden", "der Vogel schläft im Garten"),
    (clause(ANNA, "go", place=pp("to", np("the school")), time="now"),
     "Anna goes to the school now", "Anna geht jetzt zur Schule"),
    (clause(Pronoun("we"), "drive", place=pp("to", np("the station"))),
     "we drive to the station", "wir fahren zum Bahnhof"),
    (clause(np("the dogs"), "run", "past", place=pp("into", np("the house"))),
     "the dogs ran into the house", "die Hunde sind ins Haus gelaufen"),
    (clause(np("her uncle"), "travel", place=pp("without", np("his brother"))),
     "her uncle travels without his brother", "ihr Onkel reist ohne seinen Bruder"),
    (clause(Pronoun("you"), "write", accusative=np("a letter"), place=pp("for", np("your friend"))),
     "you write a letter for your friend", "du schreibst einen Brief für deinen Freund"),
    (clause(np("the knives"), "be", place=pp("on", np("the table"))),
     "the knives are on the table", "die Messer sind auf dem Tisch"),
    # negation: nicht after objects, before places and predicates; kein
    (clause(np("the man"), "buy", accusative=np("the book"), negated=True),
     "the man does not buy the book", "der Mann kauft das Buch nicht"),
    (clause(np("the man"), "buy", "past", accusative=np("a book"), negated=True),
     "the man did not buy a book", "der Mann hat kein Buch gekauft"),
    (clause(Pronoun("I"), "call", "can", accusative=Pronoun("you"), negated=True),
     "I cannot call you", "ich kann dich nicht anrufen"),
    (clause(np("the son"), "work", place=pp("in", np("the office")), time="today", negated=True),
     "the son does not work in the office today", "der Sohn arbeitet heute nicht im Büro"),
    (clause(Pronoun("they"), "be", "past", predicate=("tired", "müde"), negated=True),
     "they were not tired", "sie waren nicht müde"),
    # frequency before the English verb
    (clause(Pronoun("he"), "drink", accusative=np("coffee"), frequency="never"),
     "he never drinks coffee", "er trinkt nie Kaffee"),
    (clause(np("men", 22), "carry", accusative=np("heavy boxes", 50)),
     "twenty-two men carry fifty heavy boxes",
     "zweiundzwanzig Männer tragen fünfzig schwere Kisten"),
]  # fmt: skip


@pytest.mark.parametrize(("clause", "english", "german"), STATEMENTS)
def test_statements_have_the_word_order_of_each_language(clause, english, german):
    assert english_statement(clause) == english
    assert german_statement(clause) == german


MANY_CLOCKS = NounPhrase(NOUN["clock"], "how many", plural=True)
QUESTIONS = [
    (clause(np("the man"), "buy", accusative=np("a book")), "", "",
     "does the man buy a book", "kauft der Mann ein Buch"),
    (clause(np("the children"), "get up", "past"), "when", "wann",
     "when did the children get up", "wann sind die Kinder aufgestanden"),
    (clause(Pronoun("you"), "try on"), "what", "was", "what do you try on", "was probierst du an"),
    (clause(np("the queen"), "help", "would like to"), "who", "wem",
     "who would the queen like to help", "wem möchte die Königin helfen"),
    (clause(np("the key"), "be"), "where", "wo", "where is the key", "wo ist der Schlüssel"),
    (clause(Pronoun("she"), "read"), np("which story").english(), np("which story").german(),
     "which story does she read", "welche Geschichte liest sie"),
    (clause(ANNA, "repair", "past"), MANY_CLOCKS.english(), MANY_CLOCKS.german("accusative"),
     "how many clocks did Anna repair", "wie viele Uhren hat Anna repariert"),
]  # fmt: skip


@pytest.mark.parametrize(("clause", "word", "german_word", "english", "german"), QUESTIONS)
def test_questions_start_with_the_verb_or_the_question_word(
    clause, word, german_word, english, german
):
    assert english_question(clause, word) == english
    assert german_inverted(clause, german_word) == german


def test_a_fronted_time_puts_the_german_verb_second():
    buys = clause(np("the man"), "buy", accusative=np("a book"), time="today")
    assert german_inverted(buys, "heute", with_time=False) == "heute kauft der Mann ein Buch"
    calls = clause(ANNA, "call", "past", accusative=Pronoun("we"))
    assert german_inverted(calls, "gestern") == "gestern hat Anna uns angerufen"


SUBORDINATES = [
    (clause(np("the man"), "buy", accusative=np("a book")), "der Mann ein Buch kauft"),
    (
        clause(np("the man"), "buy", "past", accusative=np("a book")),
        "der Mann ein Buch gekauft hat",
    ),
    (clause(Pronoun("she"), "get up", time="now"), "sie jetzt aufsteht"),
    (clause(np("the bus"), "depart", "past"), "der Bus abgefahren ist"),
    (clause(Pronoun("we"), "pick up", "must", accusative=ANNA), "wir Anna abholen müssen"),
    (clause(Pronoun("you"), "trust", dative=Pronoun("I"), negated=True), "du mir nicht vertraust"),
    (clause(np("our guests"), "be", predicate=("hungry", "hungrig")), "unsere Gäste hungrig sind"),
]


@pytest.mark.parametrize(("clause", "german"), SUBORDINATES)
def test_the_finite_verb_ends_a_subordinate_clause(clause, german):
    assert german_subordinate(clause) == german


def drawn_by(pattern, count: int = 3000) -> dict[str, str]:
    chooser = Chooser(3)
    return dict(pattern(chooser) for _ in range(count))


def test_it_agrees_with_the_german_gender_of_what_it_stands_for():
    pronouns = {"masculine": "er", "feminine": "sie", "neuter": "es"}
    seen = set()
    for english, german in drawn_by(reason_in_the_thing).items():
        main, reason = german.split(", weil ")
        if " because it is " not in english:
            assert " because they are " in english and reason.startswith("sie ")
            continue
        noun = NOUN[english.split(" because ")[0].split()[-1]]
        assert noun.german_singular in main and reason.split()[0] == pronouns[noun.gender]
        seen.add(noun.gender)
    assert seen == set(pronouns)


def test_es_gibt_takes_the_accusative():
    articles = {"masculine": "einen", "feminine": "eine", "neuter": "ein"}
    for english, german in drawn_by(existence).items():
        if english.startswith("There is "):
            noun = NOUN[english.split(" in ")[0].split()[-1]]
            words = german.split()
            assert words[2] == articles[noun.gender]
            assert words[3] == noun.german_singular or words[4] == noun.german_singular


@pytest.mark.parametrize(
    ("verb", "forms"),
    [
        ("work", "arbeite arbeitest arbeitet arbeiten"),
        ("open", "öffne öffnest öffnet öffnen"),
        ("draw", "zeichne zeichnest zeichnet zeichnen"),
        ("live", "wohne wohnst wohnt wohnen"),
        ("close", "schließe schließt schließt schließen"),
        ("dance", "tanze tanzt tanzt tanzen"),
        ("travel", "reise reist reist reisen"),
        ("read", "lese liest liest lesen"),
        ("see", "sehe siehst sieht sehen"),
        ("invite", "lade lädst lädt laden"),
        ("throw away", "werfe wirfst wirft werfen"),
        ("have", "habe hast hat haben"),
        ("like", "mag magst mag mögen"),
        ("know", "weiß weißt weiß wissen"),
        ("be", "bin bist ist sind"),
    ],
)
def test_verbs_conjugate_in_the_present(verb, forms):
    agreements = ("1sg", "2sg", "3sg", "1pl")
    assert " ".join(conjugate_german(VERB[verb], key) for key in agreements) == forms


@pytest.mark.parametrize(
    ("verb", "third", "past"),
    [("tidy", "tidies", "tidied"), ("wash", "washes", "washed"), ("go out", "goes out", "went out"),
     ("play", "plays", "played"), ("try on", "tries on", "tried on")],
)  # fmt: skip
def test_english_verbs_take_their_endings_on_the_first_word(verb, third, past):
    assert conjugate_english(VERB[verb], "3sg") == third
    assert conjugate_english(VERB[verb], "3sg", "past") == past
