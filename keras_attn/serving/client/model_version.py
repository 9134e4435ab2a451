"""The state of a version, as a server reports it."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class ModelVersion:
    """The state of one version of a model.

    Args:
        version: int.
        state: str. `"START"`, `"LOADING"`, `"AVAILABLE"`, `"UNLOADING"` or `"END"`.
        error: str. Why it did not load; empty if nothing is wrong.

    Example:

    >>> ModelVersion(3, "AVAILABLE").state
    'AVAILABLE'
    """

    version: int
    state: str
    error: str = ""
