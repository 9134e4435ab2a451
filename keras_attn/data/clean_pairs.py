"""Finds the pairs that teach a model nothing, or something wrong."""

import dataclasses
import functools
import html
import math
import operator
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from keras_attn.data.corpus import Corpus

# A pair is suspicious if one side is more than this many times as long as the other, in characters,
# relative to the corpus as a whole. Short pairs may differ more: "Ja." is a third of "Of course.".
_LARGEST_RATIO = 3.0
_SHORT = 20
_LONGEST = 1000  # characters
_LEAST_SHARE_OF_SCRIPT = 0.5
_LEAST_SHARE_OF_LETTERS = 0.3

# Tags of HTML only: a tag of another kind, such as "<fr>", may be part of the task.
_TAG_NAMES = (
    "a|abbr|b|big|blockquote|body|br|center|cite|code|dd|div|dl|dt|em|font|form|h[1-6]|head|hr|"
    "html|i|iframe|img|input|label|li|link|meta|nobr|ol|option|p|pre|q|s|script|select|small|span|"
    "strike|strong|style|sub|sup|table|tbody|td|textarea|tfoot|th|thead|title|tr|tt|u|ul|var|wbr"
)
_TAG = re.compile(rf"</?(?:{_TAG_NAMES})(?:\s[^<>]*)?/?>|<!--.*?-->", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#\d+|#x[0-9a-f]+|[a-z][a-z0-9]*);", re.IGNORECASE)

REASONS = {
    "empty": "empty on one side",
    "no_letters": "with hardly any letters",
    "copied": "the same on both sides",
    "script": "in another script than the rest",
    "too_long": f"longer than {_LONGEST:,} characters",
    "ratio": "of suspicious lengths",
    "duplicate": "that occur earlier",
}


@dataclasses.dataclass(frozen=True)
class CleaningReport:
    """What `clean_pairs` found.

    Args:
        pairs: int. Pairs before cleaning.
        left_out: dict. Reason, one of `REASONS`, to the number of pairs left out for it.
        scripts: tuple of str. The usual script of sources and of targets, as Unicode names it
            ("LATIN", "CYRILLIC", "CJK"); "" if there are no letters.
        letters: tuple of float. The mean number of characters of the sources and targets kept.
        without_markup: int. Pairs from which HTML tags and entities were taken.

    Example:

    >>> clean_pairs(Corpus(["a b", "c d"], ["x y", ""]))[1].left_out
    {'empty': 1}
    """

    pairs: int
    left_out: dict[str, int]
    scripts: tuple[str, str]
    letters: tuple[float, float]
    without_markup: int = 0

    @property
    def kept(self) -> int:
        """Pairs after cleaning."""
        return self.pairs - sum(self.left_out.values())

    def lines(self) -> list[str]:
        """Returns one readable line for each fact."""
        kept = f"{self.pairs:,} pairs read, {self.kept:,} kept"
        reasons = [f"left out: {count:,} {REASONS[why]}" for why, count in self.left_out.items()]
        count = self.without_markup
        markup = [f"cleaned: {count:,} with HTML tags or entities"] if count else []
        return [kept, *markup, *reasons]


def clean_pairs(corpus: Corpus) -> tuple[Corpus, CleaningReport]:
    """Leaves out what Moses' `clean-corpus` and OpusCleaner leave out; says how much and why.

    First, HTML is taken out of the text: a tag becomes a blank, and an entity such as `&amp;` or
    `&#39;` its character. A pair is left out for the first of these reasons that holds: a side is
    empty; less than 30% of a side are letters; both sides are the same; less than half of a side's
    letters are in the usual script of that side of the corpus; a side is longer than 1,000
    characters; one side is more than three times as long as the other, relative to the mean of the
    corpus (pairs of fewer than 20 characters on both sides may differ more); the same pair occurs
    earlier.

    Args:
        corpus: `Corpus`. The pairs. Blanks at the ends are removed.

    Returns:
        `(corpus, report)`: the remaining pairs, in their order, and a `CleaningReport`.

    Example:

    >>> corpus = Corpus(["Hello!", "Hello!", "@@", "Yes."], ["Hallo!", "Hallo!", "@@ @", "Ja."])
    >>> cleaned, report = clean_pairs(corpus)
    >>> list(cleaned), report.left_out
    ([('Hello!', 'Hallo!'), ('Yes.', 'Ja.')], {'no_letters': 1, 'duplicate': 1})
    """
    before = [(source.strip(), target.strip()) for source, target in corpus]
    pairs = [(without_markup(source), without_markup(target)) for source, target in before]
    scripts = (_usual_script(pair[0] for pair in pairs), _usual_script(pair[1] for pair in pairs))
    usual_ratio = _usual_ratio(pairs)
    counts: Counter[str] = Counter()
    kept: dict[tuple[str, str], None] = {}
    for pair in pairs:
        reason = _reason(pair, scripts, usual_ratio) or ("duplicate" if pair in kept else None)
        if reason is None:
            kept[pair] = None
        else:
            counts[reason] += 1
    report = CleaningReport(
        pairs=len(pairs),
        left_out={reason: counts[reason] for reason in REASONS if counts[reason]},
        scripts=scripts,
        letters=(_mean_length(pair[0] for pair in kept), _mean_length(pair[1] for pair in kept)),
        without_markup=sum(map(operator.ne, before, pairs)),
    )
    cleaned = dataclasses.replace(
        corpus,
        sources=[source for source, _ in kept],
        targets=[target for _, target in kept],
        notes=(),
    )
    return cleaned, report


def without_markup(text: str) -> str:
    """Takes the tags and entities of HTML out of a text.

    Args:
        text: str. Without blanks at the ends.

    Returns:
        str. The same text if there are none; else with single blanks.

    Example:

    >>> without_markup("<i>Fish</i> &amp;amp; chips,<br/>1 < 2 and <fr>")
    'Fish & chips, 1 < 2 and <fr>'
    """
    clean = _TAG.sub(" ", text) if "<" in text else text
    for _ in range(2 if "&" in clean else 0):  # "&amp;nbsp;" was escaped twice
        clean = _ENTITY.sub(lambda entity: html.unescape(entity[0]), clean)
    return text if clean == text else " ".join(clean.split())


def _reason(pair: tuple[str, str], scripts: tuple[str, str], usual_ratio: float) -> str | None:
    if not all(pair):
        return "empty"
    letters = [sum(map(str.isalpha, side)) for side in pair]
    if any(
        count < _LEAST_SHARE_OF_LETTERS * len(side)
        for count, side in zip(letters, pair, strict=True)
    ):
        return "no_letters"
    if pair[0] == pair[1]:
        return "copied"
    for side, script, count in zip(pair, scripts, letters, strict=True):
        if _letters_of(side, script) < _LEAST_SHARE_OF_SCRIPT * count:
            return "script"
    if max(map(len, pair)) > _LONGEST:
        return "too_long"
    ratio = len(pair[1]) / len(pair[0]) / usual_ratio
    is_odd = not 1 / _LARGEST_RATIO <= ratio <= _LARGEST_RATIO
    return "ratio" if is_odd and max(map(len, pair)) >= _SHORT else None


def _usual_ratio(pairs: Sequence[tuple[str, str]]) -> float:
    """The geometric mean of target length / source length."""
    logarithms = [math.log(len(pair[1]) / len(pair[0])) for pair in pairs if all(pair)]
    return math.exp(sum(logarithms) / len(logarithms)) if logarithms else 1.0


def _usual_script(texts: Iterable[str]) -> str:
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(map(_script_of, text))
    del counts[""]
    return max(counts, key=counts.__getitem__) if counts else ""


@functools.cache
def _script_of(letter: str) -> str:
    """The first word of a letter's Unicode name; "" if it is not a letter."""
    name = unicodedata.name(letter, "") if letter.isalpha() else ""
    script = name.split(" ")[0].split("-")[0]
    # Japanese mixes three scripts in every sentence.
    return "CJK" if script in ("HIRAGANA", "KATAKANA") else script


def _letters_of(text: str, script: str) -> int:
    return sum(_script_of(letter) == script for letter in text)


def _mean_length(texts: Iterable[str]) -> float:
    lengths = [len(text) for text in texts]
    return sum(lengths) / max(len(lengths), 1)
