"""A request to a signature and its answer, independent of the protocol."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Prediction:
    """A request to a signature.

    Args:
        model: str.
        signature: str.
        inputs: dict of str to list of str. One line for each row.
        version: int or None. None for the newest available version.
        label: str or None.
    """

    model: str
    signature: str
    inputs: dict[str, list[str]]
    version: int | None = None
    label: str | None = None


@dataclasses.dataclass(frozen=True)
class Answer:
    """The outputs of a signature.

    Args:
        outputs: dict of str to array: of str (as objects), floats, integers or bools.
        version: int or None. The version that answered; REST does not report it.
        seconds: float. How long it took, including all attempts.
    """

    outputs: dict[str, np.ndarray]
    version: int | None = None
    seconds: float = 0.0


def to_array(value: Any) -> np.ndarray:
    """Makes an array from nested lists; strings and bytes become str objects.

    Args:
        value: nested lists, or an array.

    Returns:
        array.

    Example:

    >>> to_array([b"Hallo!", b""]).tolist()
    ['Hallo!', '']
    """
    array = np.asarray(value)
    if array.dtype.kind not in "OSU":
        return array
    array = np.asarray(value, object)
    decoded = np.empty(array.size, object)
    for i, one in enumerate(array.ravel()):
        decoded[i] = one.decode("utf-8", "replace") if isinstance(one, bytes) else one
    return decoded.reshape(array.shape)
