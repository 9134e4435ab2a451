"""Random choices from a seed, the same everywhere."""

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Chooser:
    """Random choices from a seed, the same on every platform and Python version.

    Only `random.Random.random` is used, the one method whose stream Python promises to keep.

    Args:
        seed: int. The same seed makes the same choices.

    Example:
    >>> Chooser(7).choose("abc") == Chooser(7).choose("abc")
    True
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed).random

    def choose(self, options: Sequence[T]) -> T:
        """Returns one of the options, each equally likely."""
        return options[int(self._random() * len(options))]

    def chance(self, probability: float) -> bool:
        """Returns true with this probability."""
        return self._random() < probability
