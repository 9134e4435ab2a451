"""Hints for error messages about unknown names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest_names(name: object, candidates: Iterable[str], limit: int = 3) -> list[str]:
    """The candidates that are most similar to a name.

    Args:
        name: str, or by mistake another object. The unknown name.
        candidates: iterable of str. The valid names.
        limit: int. The largest number of names.

    Returns:
        list of str, nearest first; empty if none is similar.

    Example:

    >>> nearest_names("trian.en", ["train.de", "train.en", "test.en"], limit=1)
    ['train.en']
    """
    return difflib.get_close_matches(str(name), list(candidates), n=limit, cutoff=0.5)


def did_you_mean(name: object, candidates: Iterable[str], limit: int = 1) -> str:
    """The last sentence of an error about an unknown name.

    Args:
        name: str, or by mistake another object. The unknown name.
        candidates: iterable of str. The valid names.
        limit: int. The largest number of names.

    Returns:
        str. A question with a blank before it, or an empty string if no candidate is similar.

    Example:

    >>> did_you_mean("max_step", ["max_steps", "seed"])
    " Did you mean 'max_steps'?"
    """
    nearest = nearest_names(name, candidates, limit)
    return f" Did you mean {' or '.join(map(repr, nearest))}?" if nearest else ""


def nearest_or_first(name: str, candidates: Iterable[str], limit: int = 5) -> list[str]:
    """Like `nearest_names`, but the first candidates in sorted order if none is similar.

    Args:
        name: str. The unknown name.
        candidates: iterable of str. The valid names.
        limit: int. The largest number of names.

    Returns:
        list of str.

    Example:

    >>> nearest_or_first("qqq", ["beta", "alpha"])
    ['alpha', 'beta']
    """
    candidates = sorted(candidates)
    return nearest_names(name, candidates, limit) or candidates[:limit]
