"""The words of the phrasebook: nouns, adjectives and the small words, in compact tables.

No English word has two German translations here. That is why there is no "know" with an object
(kennen, while "know that" is wissen), why "you" is always du, and why "read", whose past is
spelled like its present, has no past.
"""

from keras_attn.data.phrasebook.entries import (
    Adverbial,
    Preposition,
    read_adjectives,
    read_nouns,
    read_rows,
)

# "weak" nouns (n-declension): every form but the nominative singular looks like the plural.
# "unowned" nouns take no possessive: "my train" is odd, and "meine Frau" would be "my wife";
# "single" ones take it in the singular only.
NOUNS = read_nouns("""
man men                   | der Mann Männer               | person unowned
woman women               | die Frau Frauen               | person unowned
child children            | das Kind Kinder               | person
boy boys                  | der Junge Jungen              | person weak unowned
girl girls                | das Mädchen Mädchen           | person unowned
teacher teachers          | der Lehrer Lehrer             | person
doctor doctors            | der Arzt Ärzte                | person
student students          | der Student Studenten         | person weak
neighbor neighbors        | der Nachbar Nachbarn          | person weak
friend friends            | der Freund Freunde            | person
brother brothers          | der Bruder Brüder             | person
sister sisters            | die Schwester Schwestern      | person
father fathers            | der Vater Väter               | person single
mother mothers            | die Mutter Mütter             | person single
son sons                  | der Sohn Söhne                | person
daughter daughters        | die Tochter Töchter           | person
uncle uncles              | der Onkel Onkel               | person
aunt aunts                | die Tante Tanten              | person
guest guests              | der Gast Gäste                | person
baker bakers              | der Bäcker Bäcker             | person
king kings                | der König Könige              | person unowned
queen queens              | die Königin Königinnen        | person unowned
dog dogs                  | der Hund Hunde                | animal
cat cats                  | die Katze Katzen              | animal
horse horses              | das Pferd Pferde              | animal
bird birds                | der Vogel Vögel               | animal
cow cows                  | die Kuh Kühe                  | animal
apple apples              | der Apfel Äpfel               | food
pear pears                | die Birne Birnen              | food
cake cakes                | der Kuchen Kuchen             | food
egg eggs                  | das Ei Eier                   | food dish
potato potatoes           | die Kartoffel Kartoffeln      | food dish
tomato tomatoes           | die Tomate Tomaten            | food
soup soups                | die Suppe Suppen              | food dish
bread                     | das Brot                      | food
cheese                    | der Käse                      | food
meat                      | das Fleisch                   | food dish
water                     | das Wasser                    | drink
milk                      | die Milch                     | drink
coffee                    | der Kaffee                    | drink
tea                       | der Tee                       | drink
wine                      | der Wein                      | drink
book books                | das Buch Bücher               | text writing
letter letters            | der Brief Briefe              | text writing opening
newspaper newspapers      | die Zeitung Zeitungen         | text
report reports            | der Bericht Berichte          | text writing
poem poems                | das Gedicht Gedichte          | text writing
story stories             | die Geschichte Geschichten    | text writing
shirt shirts              | das Hemd Hemden               | clothing
coat coats                | der Mantel Mäntel             | clothing
dress dresses             | das Kleid Kleider             | clothing
hat hats                  | der Hut Hüte                  | clothing
jacket jackets            | die Jacke Jacken              | clothing
shoe shoes                | der Schuh Schuhe              | clothing
lamp lamps                | die Lampe Lampen              | object device
radio radios              | das Radio Radios              | object device machine
computer computers        | der Computer Computer         | object device machine
camera cameras            | die Kamera Kameras            | object machine
clock clocks              | die Uhr Uhren                 | object machine
key keys                  | der Schlüssel Schlüssel       | object
umbrella umbrellas        | der Regenschirm Regenschirme  | object
ball balls                | der Ball Bälle                | object
picture pictures          | das Bild Bilder               | object
bag bags                  | die Tasche Taschen            | object luggage opening
suitcase suitcases        | der Koffer Koffer             | object luggage opening
box boxes                 | die Kiste Kisten              | object luggage opening
bottle bottles            | die Flasche Flaschen          | object opening washable
cup cups                  | die Tasse Tassen              | object washable
plate plates              | der Teller Teller             | object washable
knife knives              | das Messer Messer             | object washable
door doors                | die Tür Türen                 | opening part
window windows            | das Fenster Fenster           | opening part
table tables              | der Tisch Tische              | furniture surface
chair chairs              | der Stuhl Stühle              | furniture surface
bed beds                  | das Bett Betten               | furniture surface
car cars                  | das Auto Autos                | vehicle machine washable own
bicycle bicycles          | das Fahrrad Fahrräder         | vehicle machine washable own
train trains              | der Zug Züge                  | vehicle public unowned
bus buses                 | der Bus Busse                 | vehicle public unowned
ship ships                | das Schiff Schiffe            | vehicle public unowned
house houses              | das Haus Häuser               | place inside landmark room
garden gardens            | der Garten Gärten             | place inside
kitchen kitchens          | die Küche Küchen              | place inside room
room rooms                | das Zimmer Zimmer             | place inside room
office offices            | das Büro Büros                | place inside room
city cities               | die Stadt Städte              | place inside sight region unowned
village villages          | das Dorf Dörfer               | place inside sight region
park parks                | der Park Parks                | place inside goal unowned
forest forests            | der Wald Wälder               | place inside unowned
school schools            | die Schule Schulen            | place inside goal landmark
church churches           | die Kirche Kirchen            | place inside goal landmark sight unowned
museum museums            | das Museum Museen             | place inside goal landmark sight unowned
castle castles            | das Schloss Schlösser         | place inside goal landmark sight unowned
hotel hotels              | das Hotel Hotels              | place inside goal landmark
restaurant restaurants    | das Restaurant Restaurants    | place inside goal landmark unowned
station stations          | der Bahnhof Bahnhöfe          | place goal landmark unowned
bridge bridges            | die Brücke Brücken            | place goal landmark cover unowned
tree trees                | der Baum Bäume                | landmark cover unowned
""")

ADJECTIVES = read_adjectives("""
old         | alt         | person animal text clothing object furniture vehicle place landmark
young       | jung        | person animal
small       | klein       | person animal clothing object furniture vehicle place part landmark
big         | groß        | animal object furniture vehicle place part landmark
new         | neu         | text clothing object furniture vehicle part
beautiful   | schön       | animal clothing furniture place landmark
expensive   | teuer       | clothing object furniture own
cheap       | billig      | clothing object furniture own
red         | rot         | clothing object furniture vehicle part
blue        | blau        | clothing object furniture vehicle part
green       | grün        | clothing object furniture vehicle part
white       | weiß        | animal clothing object furniture vehicle part
black       | schwarz     | animal clothing object furniture vehicle part
heavy       | schwer      | luggage furniture
friendly    | freundlich  | person
famous      | berühmt     | person sight
rich        | reich       | person
poor        | arm         | person
clever      | klug        | person animal
strong      | stark       | person
tired       | müde        | person animal mood
hungry      | hungrig     | person animal mood
sick        | krank       | person animal mood
happy       | glücklich   | person mood
sad         | traurig     | person mood
fresh       | frisch      | food
good        | gut         | food drink text
cold        | kalt        | drink
hot         | heiß        | drink
interesting | interessant | text
boring      | langweilig  | text
long        | lang        | text
short       | kurz        | text
""")

# English modal -> the German one: ich, du, er, wir (= sie). "will" is the German future.
MODALS = {
    "can": ("kann", "kannst", "kann", "können"),
    "must": ("muss", "musst", "muss", "müssen"),
    "may": ("darf", "darfst", "darf", "dürfen"),
    "should": ("sollte", "solltest", "sollte", "sollten"),
    "want to": ("will", "willst", "will", "wollen"),
    "would like to": ("möchte", "möchtest", "möchte", "möchten"),
    "will": ("werde", "wirst", "wird", "werden"),
}

# English subject and object form, German nominative, accusative and dative, agreement.
PRONOUNS = {
    "I": ("I", "me", "ich", "mich", "mir", "1sg"),
    "you": ("you", "you", "du", "dich", "dir", "2sg"),
    "he": ("he", "him", "er", "ihn", "ihm", "3sg"),
    "she": ("she", "her", "sie", "sie", "ihr", "3sg"),
    "we": ("we", "us", "wir", "uns", "uns", "1pl"),
    "they": ("they", "them", "sie", "sie", "ihnen", "3pl"),
}
NAMES = {"Anna": "she", "Julia": "she", "Maria": "she", "Paul": "he", "Peter": "he", "Thomas": "he"}

# Determiners by their declension: "der" words (adjective weak) and "ein" words (mixed).
DER_WORDS = {"the": "d", "this": "dies", "every": "jed", "which": "welch"}
POSSESSIVES = {"my": "mein", "your": "dein", "his": "sein", "her": "ihr", "our": "unser"}
EIN_WORDS = {"a": "ein", "no": "kein", **POSSESSIVES}

CONJUNCTIONS = {"because": "weil", "although": "obwohl", "if": "wenn"}
COMPLEMENTIZERS = {"that": "dass", "whether": "ob"}
QUESTION_WORDS = {"when": "wann", "why": "warum", "where": "wo"}

LOCATIONS = (
    Preposition("in", "in", "dative", "inside"),
    Preposition("behind", "hinter", "dative", "landmark"),
    Preposition("next to", "neben", "dative", "landmark"),
    Preposition("in front of", "vor", "dative", "landmark"),
    Preposition("under", "unter", "dative", "cover"),
)
ON = Preposition("on", "auf", "dative", "surface")
DIRECTIONS = (
    Preposition("to", "zu", "dative", "goal"),
    Preposition("into", "in", "accusative", "inside"),
    Preposition("from", "aus", "dative", "inside"),
)
COMPANY = (
    Preposition("with", "mit", "dative", "person"),
    Preposition("without", "ohne", "accusative", "person"),
)
FOR = Preposition("for", "für", "accusative", "person")

TIMES = tuple(
    Adverbial(english, german, frozenset(tenses.split()))
    for english, german, tenses in read_rows("""
today          | heute         | present modal
now            | jetzt         | present modal
every day      | jeden Tag     | present modal
tomorrow       | morgen        | modal will
next week      | nächste Woche | modal will
soon           | bald          | will
yesterday      | gestern       | past
last week      | letzte Woche  | past
in the morning | am Morgen     | present past modal will
in the evening | am Abend      | present past modal will
at night       | in der Nacht  | present past modal will
on Monday      | am Montag     | past modal will
on Tuesday     | am Dienstag   | past modal will
on Wednesday   | am Mittwoch   | past modal will
on Thursday    | am Donnerstag | past modal will
on Friday      | am Freitag    | past modal will
on Saturday    | am Samstag    | past modal will
on Sunday      | am Sonntag    | past modal will
""")
)
FREQUENCIES = tuple(
    Adverbial(english, german)
    for english, german in read_rows("""
often     | oft
always    | immer
sometimes | manchmal
never     | nie
""")
)
