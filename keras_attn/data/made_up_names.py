"""Names that no model has seen, from which a model learns to copy names."""

import re
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

_WORD = re.compile(r"\b[^\W\d_]{3,}\b")
_CONTEXT = 2  # letters that the next one depends on
_LONGEST = 12
_SHARE_OF_REAL_NAMES = 0.3


def shared_names(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """The different capitalized words that occur in the same form on both sides of a pair.

    Args:
        pairs: sequence of (source, target).

    Returns:
        list of str, sorted.

    Example:

    >>> shared_names([("Tom saw Boston.", "Tom sah Boston."), ("Yes.", "Ja.")])
    ['Boston', 'Tom']
    """
    return sorted({name for source, target in pairs for name in _names_of(source, target)})


class MadeUpNames:
    """Replaces names with other names: real ones, and made-up ones that only look like names.

    A made-up name is drawn letter by letter; each letter follows the two before it as often as in
    the given names.

    Args:
        names: sequence of str. Names to learn from.
        seed: int. The seed of all choices.
    """

    def __init__(self, names: Sequence[str], seed: int = 0) -> None:
        self._names = list(names)
        self._random = np.random.default_rng(seed)
        self._followers: dict[str, list[str]] = defaultdict(list)
        for name in self._names:
            padded = " " * _CONTEXT + name + " "
            for i in range(_CONTEXT, len(padded)):
                self._followers[padded[i - _CONTEXT : i]].append(padded[i])

    def draw(self) -> str:
        """A real or a made-up name."""
        if self._random.random() < _SHARE_OF_REAL_NAMES:
            return self._names[self._random.integers(len(self._names))]
        while True:
            letters = " " * _CONTEXT
            while len(letters) < _CONTEXT + _LONGEST:
                followers = self._followers[letters[-_CONTEXT:]]
                letters += followers[self._random.integers(len(followers))]
                if letters[-1] == " ":
                    break
            name = letters.strip()
            if len(name) >= 3:
                return name

    def replace_in(self, pair: tuple[str, str]) -> tuple[str, str] | None:
        """The pair with one of its shared names replaced on both sides; None if it has none."""
        names = sorted(_names_of(*pair))
        if not names:
            return None
        old, new = names[self._random.integers(len(names))], self.draw()
        source, target = (re.sub(rf"\b{old}\b", new, text) for text in pair)
        return source, target


def _names_of(source: str, target: str) -> set[str]:
    shared = set(_WORD.findall(source)) & set(_WORD.findall(target))
    return {word for word in shared if word[0].isupper()}
