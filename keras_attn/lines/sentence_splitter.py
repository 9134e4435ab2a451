"""Translates lines of several sentences, sentence by sentence."""

import dataclasses
from collections.abc import Iterable
from typing import Protocol

import sentencex

from keras_attn.lines.check_texts import check_texts
from keras_attn.lines.translation import Translation, TranslationReport


class _TranslatesDetailed(Protocol):
    def translate_detailed(self, texts: list[str]) -> list[Translation]: ...


class SentenceSplitter:
    """Splits each line into sentences, translates them, and joins the translations again.

    A model that was trained on single sentences translates a paragraph badly, and usually only its
    first sentences. `sentencex` finds where sentences end; it knows the abbreviations of some 300
    languages. Whatever is between two sentences (a blank, a line break) is kept between their
    translations.

    Args:
        translator: object with `translate_detailed(texts)`: a `Translator`, a SavedModel ...
        language: str. The code of the language of the lines, such as "en". An unknown language is
            split by the rules that most languages share.

    Attributes:
        report: `TranslationReport`. What happened to the lines of the last call.

    Example:

    >>> class Echo:
    ...     def translate_detailed(self, texts):
    ...         return [Translation(text, text.upper()) for text in texts]
    >>> SentenceSplitter(Echo()).translate(["Dr. Li left. Why?  Nobody knows."])
    ['DR. LI LEFT. WHY?  NOBODY KNOWS.']
    """

    def __init__(self, translator: _TranslatesDetailed, language: str = "en") -> None:
        self.translator = translator
        self.language = language
        self.report = TranslationReport()

    def translate(self, texts: Iterable[str]) -> list[str]:
        """Translates lines; returns one translation for each, in the same order."""
        return [translation.text for translation in self.translate_detailed(texts)]

    def translate_detailed(self, texts: Iterable[str]) -> list[Translation]:
        """Translates lines, with tokens and scores; log-probability and score are sums.

        A line is as sure as the least sure of its sentences.

        Args:
            texts: strings.

        Returns:
            list of `Translation`, in the order of `texts`, without alternatives.
        """
        texts = check_texts("texts", texts)
        parts = [split_sentences(text, self.language) for text in texts]
        sentences = [sentence for line in parts for sentence, _ in line]
        # If all lines are blank, one of them shows whether the model is calibrated.
        found = self.translator.translate_detailed(sentences or texts[:1])
        certain = None if not found or found[0].confidence is None else 1.0
        translations = iter(found)
        lines = [[next(translations) for _ in line] for line in parts]
        results = []
        for text, line, part in zip(texts, lines, parts, strict=True):
            gaps = [gap for _, gap in part]
            empty = Translation(text, "", confidence=certain)
            results.append(_join(text, line, gaps) if line else empty)
        num_cut = getattr(getattr(self.translator, "report", None), "truncated_sources", 0)
        self.report = TranslationReport(
            lines=len(results),
            empty=sum(not line for line in parts),
            truncated=sum(bool(translation.truncated) for translation in results),
            truncated_sources=_count_cut_lines(lines, num_cut),
        )
        return results


def split_sentences(text: str, language: str = "en") -> list[tuple[str, str]]:
    """The sentences of a text, each with the blanks after it.

    Args:
        text: str.
        language: str. The code of its language.

    Returns:
        list of (sentence, blanks); empty for a text of blanks only.

    Example:

    >>> split_sentences("It is 3.5 km. Really?  Yes.")
    [('It is 3.5 km.', ' '), ('Really?', '  '), ('Yes.', '')]
    """
    spans: list[tuple[int, int]] = []
    end = 0
    for part in sentencex.segment(language, text):
        if sentence := part.strip():
            start = text.index(sentence, end)
            end = start + len(sentence)
            spans.append((start, end))
    # The blanks are taken from the text, because `sentencex` leaves some of them out.
    next_starts = [start for start, _ in spans[1:]] + [len(text)] * bool(spans)
    return [
        (text[start:end], text[end:next_start])
        for (start, end), next_start in zip(spans, next_starts, strict=True)
    ]


def _join(source: str, translations: list[Translation], gaps: list[str]) -> Translation:
    """Joins the translations of a line's sentences."""
    flags = [translation.truncated for translation in translations]
    sure = [one.confidence for one in translations if one.confidence is not None]
    parts = zip(translations, gaps, strict=True)
    return dataclasses.replace(
        translations[0],
        source=source,
        text="".join(translation.text + gap for translation, gap in parts).rstrip(),
        tokens=tuple(token for one in translations for token in one.tokens),
        log_probability=sum(one.log_probability for one in translations),
        score=sum(one.score for one in translations),
        truncated=None if None in flags else any(flags),
        alternatives=(),
        source_tokens=tuple(token for one in translations for token in one.source_tokens),
        attention=None,
        confidence=min(sure, default=None),
    )


def _count_cut_lines(lines: list[list[Translation]], num_sentences: int) -> int:
    """How many lines contain sentences that were too long to be read whole.

    No translation tells whether its source was cut. But if it was, it is marked as truncated, and
    no source has more tokens.

    Args:
        lines: lists of `Translation`, one for each line.
        num_sentences: int. How many sentences were cut.
    """
    lengths = [{len(one.source_tokens) for one in line if one.truncated} for line in lines]
    longest = max(set().union(*lengths), default=0)
    return min(num_sentences, sum(longest in line for line in lengths))
