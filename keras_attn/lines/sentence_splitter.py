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

        Args:
            texts: strings.

        Returns:
            list of `Translation`, in the order of `texts`, without alternatives.
        """
        texts = check_texts("texts", texts)
        parts = [split_sentences(text, self.language) for text in texts]
        sentences = [sentence for line in parts for sentence, _ in line]
        translations = iter(self.translator.translate_detailed(sentences))
        results = []
        for text, line in zip(texts, parts, strict=True):
            translated = [(next(translations), gap) for _, gap in line]
            results.append(_join(text, translated))
        self.report = TranslationReport(
            lines=len(results),
            empty=sum(not line for line in parts),
            truncated=sum(bool(translation.truncated) for translation in results),
            truncated_sources=getattr(
                getattr(self.translator, "report", None), "truncated_sources", 0
            ),
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
    found: list[tuple[str, str]] = []
    for part in sentencex.segment(language, text):
        sentence = part.strip()
        if sentence:
            found.append((sentence, part[len(part.rstrip()) :]))
        elif found:
            found[-1] = (found[-1][0], found[-1][1] + part)
    return found


def _join(source: str, parts: list[tuple[Translation, str]]) -> Translation:
    """Joins the translations of a line's sentences."""
    if not parts:
        return Translation(source, "")
    translations = [translation for translation, _ in parts]
    flags = [translation.truncated for translation in translations]
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
    )
