"""The verbs of the phrasebook: one per line, by the sentences that they make."""

from keras_attn.data.phrasebook.entries import Verb, read_verbs

# Kinds of verbs besides those of objects: "state" (present only, no modal, no time), "benefit"
# (takes "for somebody"), "split" (no pronoun object: "pick her up" would part the English verb).
TRANSITIVE_VERBS = read_verbs("""
buy, bought              | kaufen        |                   | gekauft       | goods drink benefit
sell, sold               | verkaufen     |                   | verkauft      | goods
see, saw                 | sehen         | siehst sieht      | gesehen       | person animal vehicle
find, found              | finden        |                   | gefunden      | portable animal
look for, looked for     | suchen        |                   | gesucht       | portable person
eat, ate                 | essen         | isst isst         | gegessen      | food
drink, drank             | trinken       |                   | getrunken     | drink
read,                    | lesen         | liest liest       | gelesen       | text
write, wrote             | schreiben     |                   | geschrieben   | writing benefit
cook, cooked             | kochen        |                   | gekocht       | dish benefit
like,                    | mögen         | mag magst mag     | gemocht       | person food state
love,                    | lieben        |                   | geliebt       | person animal state
need,                    | brauchen      |                   | gebraucht     | portable state
have,                    | haben         | hast hat          | gehabt        | portable own state
visit, visited           | besuchen      |                   | besucht       | person sight
meet, met                | treffen       | triffst trifft    | getroffen     | person
hear, heard              | hören         |                   | gehört        | person animal public
ask, asked               | fragen        |                   | gefragt       | person
greet, greeted           | grüßen        |                   | gegrüßt       | person
understand, understood   | verstehen     |                   | verstanden    | person text
forget, forgot           | vergessen     | vergisst vergisst | vergessen     | portable
lose, lost               | verlieren     |                   | verloren      | portable
open, opened             | öffnen        |                   | geöffnet      | opening
close, closed            | schließen     |                   | geschlossen   | opening
wash, washed             | waschen       | wäschst wäscht    | gewaschen     | clothing washable
repair, repaired         | reparieren    |                   | repariert     | machine furniture
carry, carried           | tragen        | trägst trägt      | getragen      | luggage furniture
draw, drew               | zeichnen      |                   | gezeichnet    | animal vehicle sight
photograph, photographed | fotografieren |                   | fotografiert  | person animal sight
call, called             | an-rufen      |                   | angerufen     | person
invite, invited          | ein-laden     | lädst lädt        | eingeladen    | person
pick up, picked up       | ab-holen      |                   | abgeholt      | person split
try on, tried on         | an-probieren  |                   | anprobiert    | clothing
tidy, tidied             | auf-räumen    |                   | aufgeräumt    | room
switch on, switched on   | ein-schalten  |                   | eingeschaltet | device
switch off, switched off | aus-schalten  |                   | ausgeschaltet | device
throw away, threw away   | weg-werfen    | wirfst wirft      | weggeworfen   | portable
""")

DATIVE_VERBS = read_verbs("""
help, helped                | helfen      | hilfst hilft | geholfen    | person
thank, thanked              | danken      |              | gedankt     | person
follow, followed            | folgen      |              | ist gefolgt | person
answer, answered            | antworten   |              | geantwortet | person
congratulate, congratulated | gratulieren |              | gratuliert  | person
trust,                      | vertrauen   |              | vertraut    | person state
listen to, listened to      | zu-hören    |              | zugehört    | person
""")

DITRANSITIVE_VERBS = read_verbs("""
give, gave     | geben    | gibst gibt | gegeben   | portable food drink
show, showed   | zeigen   |            | gezeigt   | portable vehicle
bring, brought | bringen  |            | gebracht  | portable food drink
send, sent     | schicken |            | geschickt | portable
""")

# "stays" needs a place; "place" and "company" ("with her") may take one; "vehicle": trains do it.
INTRANSITIVE_VERBS = read_verbs("""
sleep, slept             | schlafen      | schläfst schläft | geschlafen         | place
work, worked             | arbeiten      |                  | gearbeitet         | place company
play, played             | spielen       |                  | gespielt           | place company
dance, danced            | tanzen        |                  | getanzt            | place company
sing, sang               | singen        |                  | gesungen           | place company
wait, waited             | warten        |                  | gewartet           | place
laugh, laughed           | lachen        |                  | gelacht            |
cry, cried               | weinen        |                  | geweint            |
swim, swam               | schwimmen     |                  | ist geschwommen    | company
travel, traveled         | reisen        |                  | ist gereist        | company
live,                    | wohnen        |                  | gewohnt            | stays state
sit, sat                 | sitzen        |                  | gesessen           | stays
stand, stood             | stehen        |                  | gestanden          | stays
get up, got up           | auf-stehen    |                  | ist aufgestanden   |
wake up, woke up         | auf-wachen    |                  | ist aufgewacht     |
fall asleep, fell asleep | ein-schlafen  | schläfst schläft | ist eingeschlafen  | place
arrive, arrived          | an-kommen     |                  | ist angekommen     | company vehicle
depart, departed         | ab-fahren     | fährst fährt     | ist abgefahren     | company vehicle
return, returned         | zurück-kommen |                  | ist zurückgekommen | company vehicle
go out, went out         | aus-gehen     |                  | ist ausgegangen    | company
shop, shopped            | ein-kaufen    |                  | eingekauft         | company
""")
INTRANSITIVE_VERBS += read_verbs("""
watch television, watched television | fern-sehen | siehst sieht | ferngesehen | place company
""")

MOTION_VERBS = read_verbs("""
go, went     | gehen  |              | ist gegangen | goal inside
come, came   | kommen |              | ist gekommen | goal inside
run, ran     | laufen | läufst läuft | ist gelaufen | goal inside
drive, drove | fahren | fährst fährt | ist gefahren | goal
""")

REPORTING_VERBS = read_verbs("""
know,             | wissen  | weiß weißt weiß | gewusst  | that
believe, believed | glauben |                 | geglaubt | that
say, said         | sagen   |                 | gesagt   | that
hope, hoped       | hoffen  |                 | gehofft  | that
think, thought    | denken  |                 | gedacht  | that
""")

BE = Verb("be", "was", "sein", "", (), "gewesen", "sein", frozenset({"state"}))
