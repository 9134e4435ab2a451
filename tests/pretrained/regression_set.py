"""What small models get wrong: 180 inputs, and what is wrong with their translations.

python -m tests.pretrained.regression_set tatoeba_en_de          counts, and every failure
"""

import re
import sys
from collections import Counter
from pathlib import Path

import sacrebleu

from keras_attn.evaluation import translation_faults
from keras_attn.translator import SentenceSplitter, Translator, split_sentences

INPUTS = Path(__file__).with_name("regression_inputs.tsv")
# How near a translation must be to that of the same sentence in its usual form: chrF, 0 to 100.
_NEAR = 60.0
_MOST_WORDS_FOR_A_WORD = 3


def read_inputs() -> list[tuple[str, str, list[str]]]:
    """Category, source, and what the translation must contain."""
    rows = [line.split("\t") for line in INPUTS.read_text(encoding="utf-8").splitlines()]
    return [(row[0], row[1], row[2].split("|") if len(row) > 2 else []) for row in rows]


def usual_form(category: str, source: str) -> str | None:
    """The sentence as people write it; None where that is the source."""
    if category == "all caps":
        source = source.lower()
    elif category == "no punctuation":
        is_question = source.split()[0] in ("Where", "What", "Can", "How")
        return source + ("?" if is_question else ".")
    elif category != "lower case":
        return None
    source = re.sub(r"\bi\b", "I", source)
    for name in ("tom", "german", "mary", "berlin", "monday", "london"):
        source = re.sub(rf"\b{name}\b", name.capitalize(), source)
    return source[0].upper() + source[1:]


def find_failures(translator: Translator) -> list[tuple[str, str, str, str]]:
    """Category, source, translation and fault of every input that goes wrong."""
    rows = read_inputs()
    splitter = SentenceSplitter(translator, "en")
    lines = [source for category, source, _ in rows if category != "paragraph"]
    usual = [usual_form(category, source) for category, source, _ in rows]
    lines += [line for line in usual if line is not None]
    translated = {}
    for i in range(0, len(lines), 100):  # so few at once that no program is compiled
        some = lines[i : i + 100]
        translated.update(zip(some, translator.translate(some), strict=True))
    failures = []
    for (category, source, must), usual_line in zip(rows, usual, strict=True):
        if category == "paragraph":
            translation = splitter.translate([source])[0]
        else:
            translation = translated[source]
        faults = translation_faults(source, translation)
        faults += [f"lost {word}" for word in must if word not in translation]
        faults += _faults_of_category(category, source, translation)
        if category != "paragraph" and usual_line is not None:
            faults += _differences(translation, translated[usual_line])
        if faults:
            failures.append((category, source, translation, ", ".join(faults)))
    return failures


def _faults_of_category(category: str, source: str, translation: str) -> list[str]:
    if category == "single word" and len(translation.split()) > _MOST_WORDS_FOR_A_WORD:
        return ["many words"]
    if category == "paragraph":
        counts = [len(split_sentences(source, "en")), len(split_sentences(translation, "de"))]
        return [] if counts[0] == counts[1] else [f"{counts[0]} sentences became {counts[1]}"]
    return []


def _differences(translation: str, expected: str) -> list[str]:
    near = sacrebleu.sentence_chrf(_plain(translation), [_plain(expected)]).score
    return [] if near >= _NEAR else [f"chrF {near:.0f} to {expected!r}"]


def _plain(text: str) -> str:
    return re.sub(r"[^\w\s]", "", text).lower()


def main() -> None:
    failures = find_failures(Translator.load(sys.argv[1]))
    for row in failures:
        print("\t".join(row))
    totals = Counter(category for category, *_ in read_inputs())
    counts = Counter(category for category, *_ in failures)
    for category, total in totals.items():
        print(f"{category}: {counts[category]} of {total}")
    print(f"all: {len(failures)} of {sum(totals.values())}")


if __name__ == "__main__":
    main()
