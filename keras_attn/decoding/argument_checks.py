"""Checks of the numbers that users pass to `search` and to the strategies."""

import math
import operator
from typing import Any


def check_integer(name: str, value: Any, minimum: int) -> int:
    """Returns `value` as a Python int of at least `minimum`.

    Args:
        name: str. The argument's name, for the message.
        value: the number received. A Python or NumPy integer; a bool is refused.
        minimum: int. The smallest value allowed.

    Returns:
        `value` as int.

    Raises:
        ValueError: if `value` is no integer or is less than `minimum`.

    Example:
    >>> check_integer("num_beams", 4, minimum=1)
    4
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < minimum:
        raise ValueError(f"`{name}` must be an integer of at least {minimum}. Received: {value!r}.")
    return number


def check_number(name: str, value: Any) -> float:
    """Returns `value` as a finite Python float.

    Args:
        name: str. The argument's name, for the message.
        value: the number received.

    Returns:
        `value` as float.

    Raises:
        ValueError: if `value` is no number, or is infinite or NaN.

    Example:
    >>> check_number("length_penalty", 1)
    1.0
    """
    try:
        number = math.nan if isinstance(value, (bool, str)) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"`{name}` must be a finite number. Received: {value!r}.")
    return number
