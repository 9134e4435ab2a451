"""Paragraphs, sentence by sentence: where they are split, what stands between, what is counted."""

import pytest

from keras_attn.lines.translation import Translation
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


def test_a_model_that_does_not_count_truncation_stays_unknown():
    class Silent:
        def translate_detailed(self, texts):
            return [Translation(text, text, truncated=None) for text in texts]

    assert SentenceSplitter(Silent()).translate_detailed(["A b. C d."])[0].truncated is None
