"""Checks of numbers that users pass."""

import math
import operator
from typing import Any


def check_integer(name: str, value: Any, minimum: int = 1, maximum: int | None = None) -> int:
    """Checks an integer argument, and returns it as a Python int.

    Args:
        name: str. The name of the argument, for the message.
        value: int. The value. A NumPy integer is accepted; a bool is not.
        minimum: int. The smallest value allowed. Defaults to `1`.
        maximum: int. The largest value allowed. Defaults to None: no limit.

    Returns:
        int.

    Raises:
        ValueError: if it is not an integer, or not in the range.

    Example:
    >>> check_integer("num_beams", 4)
    4
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    too_large = maximum is not None and number is not None and number > maximum
    if number is None or number < minimum or too_large:
        values = f"of at least {minimum}"
        if maximum is not None:
            values = f"from {minimum:,} to {maximum:,}"
        raise ValueError(
            f"The argument `{name}` must be an integer {values}. Received: {name}={value!r}."
        )
    return number


def check_optional_integer(name: str, value: Any) -> int | None:
    """`check_integer` of an argument that may be None.

    Args:
        name: str. The name of the argument, for the message.
        value: int or None.

    Returns:
        int or None.

    Raises:
        ValueError: if it is neither None nor an integer of at least 1.

    Example:
    >>> check_optional_integer("num_beams", None) is None, check_optional_integer("num_beams", 4)
    (True, 4)
    """
    return None if value is None else check_integer(name, value)


def check_number(name: str, value: Any) -> float:
    """Checks a number argument, and returns it as a finite Python float.

    Args:
        name: str. The name of the argument, for the message.
        value: float. The value.

    Returns:
        float.

    Raises:
        ValueError: if it is not a number, or is infinite or NaN.

    Example:
    >>> check_number("length_penalty", 1)
    1.0
    """
    try:
        number = math.nan if isinstance(value, (bool, str)) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(
            f"The argument `{name}` must be a finite number. Received: {name}={value!r}."
        )
    return number
