"""Faults of a translation that show without a reference: loops, lost numbers, empty output."""

import re
from collections import Counter

from keras_attn.evaluation.bleu_tokenizer import UNSPACED_SCRIPTS

_WORD = re.compile(r"\w+(?:['’\-]\w+)*|[^\w\s]")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_LONGEST_LOOP = 6  # words that repeat together
_FEWEST_REPEATS = 3
_FEWEST_COPIED_WORDS = 3
# The translation of n words has at most 2 n + 4 words, and at least n / 3 - 1.
_MOST_WORDS_PER_WORD, _MORE_WORDS = 2.0, 4
_FEWEST_WORDS_PER_WORD = 1 / 3

FAULTS = ("empty", "loop", "long", "short", "number", "copied", "unknown")


def translation_faults(source: str, translation: str) -> list[str]:
    """Names what is visibly wrong with a translation, without a reference.

    - `"empty"`: the source has letters or digits, the translation has none.
    - `"loop"`: up to 6 words repeat at least 3 times in a row, but not in the source.
    - `"long"`, `"short"`: more than 2 n + 4 words for n words, or fewer than n / 3 - 1.
    - `"number"`: the numbers of the source are not those of the translation. Only their digits are
      compared, so 1,000 and 1.000 are the same.
    - `"copied"`: the words are those of the source, three or more different ones.
    - `"unknown"`: U+FFFD or U+2047, which stand for unknown tokens.

    A good translation may have such a fault (a number written as a word, a title left as it is), so
    their share in many translations says more than one of them.

    In a script without spaces between words, such as Chinese, the letters tell how many words there
    are.

    Args:
        source: str. The source text.
        translation: str. Its translation.

    Returns:
        list of str. Some of `FAULTS`; empty if none was found.

    Example:

    >>> translation_faults("I have 2 dogs.", "Ich habe Hunde Hunde Hunde Hunde.")
    ['loop', 'number']
    """
    source_words, words = _WORD.findall(source), _WORD.findall(translation)
    num_source_words, num_words = _count(source_words), _count(words)
    has_text = any(word[0].isalnum() for word in source_words)
    found = {
        "empty": has_text and not any(word[0].isalnum() for word in words),
        "loop": _loops(words) and not _loops(source_words),
        "long": num_words > _MOST_WORDS_PER_WORD * num_source_words + _MORE_WORDS,
        "short": num_words < _FEWEST_WORDS_PER_WORD * num_source_words - 1,
        "number": _numbers(source) != _numbers(translation),
        "copied": source_words == words and len(_distinct(words)) >= _FEWEST_COPIED_WORDS,
        "unknown": "\ufffd" in translation or "\u2047" in translation,
    }
    return [fault for fault in FAULTS if found[fault]]


def _loops(words: list[str]) -> bool:
    """Whether some words repeat several times in a row."""
    lower = [word.lower() for word in words]
    for size in range(1, _LONGEST_LOOP + 1):
        equal = 0  # words in a row that are the same as `size` words before
        for word, before in zip(lower[size:], lower, strict=False):
            equal = equal + 1 if word == before else 0
            if equal >= size * (_FEWEST_REPEATS - 1):
                return True
    return False


def _count(words: list[str]) -> float:
    """The number of words. What has no spaces inside is counted by its letters."""
    return sum(1.0 if word.isascii() else _words_in(word) for word in words)


def _words_in(piece: str) -> float:
    # A word has about half as many letters as the number that is above the average.
    letters = ((len(script.findall(piece)), longest) for script, longest in UNSPACED_SCRIPTS)
    return max(1.0, sum(2 * count / longest for count, longest in letters))


def _distinct(words: list[str]) -> set[str]:
    """The different words, without numbers and punctuation."""
    return {word.lower() for word in words if word[0].isalpha()}


def _numbers(text: str) -> Counter[str]:
    return Counter(re.sub(r"\D", "", number) for number in _NUMBER.findall(text))
