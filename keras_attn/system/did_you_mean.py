"""Hints in errors about names that are not known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest_names(name: object, candidates: Iterable[str], limit: int = 3) -> list[str]:
    """The candidates that are much like a name.

    Args:
        name: what was asked for; a str, or by mistake something else.
        candidates: iterable of str. What there is.
        limit: int. How many names at most.

    Returns:
        list of str, the nearest first; empty where none is alike.

    Example:

    >>> nearest_names("trian.en", ["train.de", "train.en", "test.en"], limit=1)
    ['train.en']
    """
    return difflib.get_close_matches(str(name), list(candidates), n=limit, cutoff=0.5)


def did_you_mean(name: object, candidates: Iterable[str], limit: int = 1) -> str:
    """The end of an error about an unknown name.

    Args:
        name: what was asked for.
        candidates: iterable of str. What there is.
        limit: int. How many names at most.

    Returns:
        str. A question with a blank before it, or nothing where no candidate is alike.

    Example:

    >>> did_you_mean("max_step", ["max_steps", "seed"])
    " Did you mean 'max_steps'?"
    """
    nearest = nearest_names(name, candidates, limit)
    return f" Did you mean {' or '.join(map(repr, nearest))}?" if nearest else ""


def nearest_or_first(name: str, candidates: Iterable[str], limit: int = 5) -> list[str]:
    """As `nearest_names`, but the first candidates by name where none is alike.

    Args:
        name: str. What was asked for.
        candidates: iterable of str. What there is.
        limit: int. How many names at most.

    Returns:
        list of str.

    Example:

    >>> nearest_or_first("qqq", ["beta", "alpha"])
    ['alpha', 'beta']
    """
    candidates = sorted(candidates)
    return nearest_names(name, candidates, limit) or candidates[:limit]
