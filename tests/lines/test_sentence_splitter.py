"""Paragraphs, sentence by sentence: where they are split, what stands between, what is counted."""

from typing import ClassVar

import numpy as np
import pytest

from keras_attn.lines.translation import Translation, TranslationReport
from keras_attn.translator import SentenceSplitter, split_sentences


class Numbered:
    """Translates each line into its number, and remembers the lines."""

    def translate_detailed(self, texts):
        self.texts = list(texts)
        return [
            Translation(text, f"<{i}>", (str(i),), -1.0 - i, -0.5, truncated=i == 3)
            for i, text in enumerate(texts)
        ]


@pytest.mark.parametrize(
    "text, sentences",
    [
        ("Mr. Smith paid $3.50. He left!", ["Mr. Smith paid $3.50.", "He left!"]),
        ('He said: "Stop!" Nobody did.', ['He said: "Stop!"', "Nobody did."]),
        ("no end", ["no end"]),
        ("One.\tTwo?  Three...", ["One.", "Two?", "Three..."]),
        ("", []),
        ("  ", []),
        ("  Yes. ", ["Yes."]),
    ],
)
def test_a_text_is_split_where_its_sentences_end(text, sentences):
    assert [sentence for sentence, _ in split_sentences(text)] == sentences


def test_the_rules_are_those_of_the_language():
    text = "Wir kommen z. B. am 3. Mai. Dr. Bauer auch."
    assert len(split_sentences(text, "de")) == 2
    assert len(split_sentences("It was here. It has gone.", "no-such-language")) == 2


def test_nothing_but_blanks_is_lost():
    text = " One. Two?\u00a0 Three!\n(Four.) Five"
    parts = split_sentences(text)
    assert "".join(sentence + gap for sentence, gap in parts) == text.strip()


@pytest.mark.parametrize("language", ["en", "de", "zh", "ja"])
def test_nothing_is_lost_from_random_texts(language):
    random = np.random.default_rng(5)
    pieces = ["a", "Dr.", ". ", "?", "!", "...", "。", '"', "(", ")", "\n", "\n\n", "\r\n", "\t"]
    pieces += [" ", "    ", "\u00a0", "\u2028", "“", "1."]
    for _ in range(500):
        text = "".join(random.choice(pieces, size=random.integers(0, 14)))
        found = split_sentences(text, language)
        assert "".join(sentence + gap for sentence, gap in found) == text.lstrip()
        assert all(sentence.strip() == sentence != "" for sentence, _ in found)


def test_blank_lines_and_indentation_stay_between_paragraphs():
    text = "It was.\n\n\n    It is."
    assert SentenceSplitter(Numbered()).translate([text]) == ["<0>\n\n\n    <1>"]


def test_lines_are_joined_as_they_were_split_and_scores_are_added():
    inner = Numbered()
    splitter = SentenceSplitter(inner)
    lines = splitter.translate_detailed(["It is. It was.  It", "", "Two? Three."])
    assert inner.texts == ["It is.", "It was.", "It", "Two?", "Three."]
    assert [line.text for line in lines] == ["<0> <1>  <2>", "", "<3> <4>"]
    assert lines[0].tokens == ("0", "1", "2")
    assert lines[0].log_probability == -6.0 and lines[0].score == -1.5
    assert [line.truncated for line in lines] == [False, False, True]
    assert [line.source for line in lines] == ["It is. It was.  It", "", "Two? Three."]
    assert (splitter.report.lines, splitter.report.empty, splitter.report.truncated) == (3, 1, 1)


class Calibrated:
    """Is sure of a translation by its first letter; reads three letters of a line."""

    confidence_of: ClassVar = {"A": 0.9, "B": 0.2, "C": 0.7, "": 1.0}

    def translate_detailed(self, texts):
        cut = [len(text) > 3 for text in texts]
        self.report = TranslationReport(len(texts), truncated_sources=sum(cut))
        return [
            Translation(
                text,
                text.strip(),
                source_tokens=tuple(text[:3]),
                truncated=is_cut or text == "B!",
                confidence=self.confidence_of[text.strip()[:1]],
            )
            for text, is_cut in zip(texts, cut, strict=True)
        ]


def test_a_line_is_as_sure_as_its_least_sure_sentence():
    splitter = SentenceSplitter(Calibrated())
    for lines in (["A! B! C!", "", "C! A!", "A!"], ["  "], []):
        found = [line.confidence for line in splitter.translate_detailed(lines)]
        wanted = {"A! B! C!": 0.2, "": 1.0, "C! A!": 0.7, "A!": 0.9, "  ": 1.0}
        assert found == [wanted[line] for line in lines]
    assert SentenceSplitter(Numbered()).translate_detailed(["", "A!"])[0].confidence is None


def test_lines_that_are_cut_are_counted_not_their_sentences():
    splitter = SentenceSplitter(Calibrated())
    splitter.translate_detailed(["A long one! A longer one!", "A!", "B! C!", "C! C long!"])
    report = splitter.report
    assert (report.lines, report.truncated, report.truncated_sources) == (4, 3, 2)


def test_a_model_that_does_not_count_truncation_stays_unknown():
    class Silent:
        def translate_detailed(self, texts):
            return [Translation(text, text, truncated=None) for text in texts]

    assert SentenceSplitter(Silent()).translate_detailed(["A b. C d."])[0].truncated is None
