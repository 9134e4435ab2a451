"""One line of a verification report."""

from typing import NamedTuple


class VerificationCheck(NamedTuple):
    """What one check of a SavedModel found.

    Args:
        name: str. What was checked.
        passed: bool. Whether it is as it must be.
        detail: str. What was found; where the check failed, also what to do.

    Example:
    >>> print(VerificationCheck("files", False, "variables/variables.index is missing"))
    FAILED  files: variables/variables.index is missing
    """

    name: str
    passed: bool
    detail: str

    def __str__(self) -> str:
        return f"{'ok    ' if self.passed else 'FAILED'}  {self.name}: {self.detail}"
