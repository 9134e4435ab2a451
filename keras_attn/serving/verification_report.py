"""The result of verifying one SavedModel."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple


class VerificationCheck(NamedTuple):
    """The result of one check of a SavedModel.

    Args:
        name: str. What was checked.
        passed: bool. Whether it passed.
        detail: str. What was found, and what to do if the check failed.

    Example:
    >>> print(VerificationCheck("files", False, "variables/variables.index is missing"))
    FAILED  files: variables/variables.index is missing
    """

    name: str
    passed: bool
    detail: str

    def __str__(self) -> str:
        return f"{'ok    ' if self.passed else 'FAILED'}  {self.name}: {self.detail}"


@dataclasses.dataclass(frozen=True)
class VerificationReport:
    """The checks of one version directory, in the order in which they were made.

    Args:
        directory: Path. The version directory.
        checks: tuple of `VerificationCheck`, (name, passed, detail) each.

    Example:
    >>> check = VerificationCheck("files", True, "complete")
    >>> print("\\n".join(VerificationReport(Path("models/en_de/1"), (check,)).lines()))
    ok      files: complete
    models/en_de/1: passed, 1 check
    """

    directory: Path
    checks: tuple[VerificationCheck, ...]

    @property
    def passed(self) -> bool:
        """Whether there were checks, and none failed."""
        return bool(self.checks) and not self.failures

    @property
    def failures(self) -> tuple[VerificationCheck, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if not check.passed)

    def to_dict(self) -> dict[str, Any]:
        """Returns the report as values that JSON can hold.

        Returns:
            dict of `directory`, `passed` and `checks`, a list of dicts of `name`, `passed` and
            `detail`.
        """
        return {
            "directory": str(self.directory),
            "passed": self.passed,
            "checks": [check._asdict() for check in self.checks],
        }

    def lines(self) -> list[str]:
        """Returns the report for people: a line for each check, and the verdict last.

        Returns:
            list of str.
        """
        count = f"{len(self.checks)} check{'' if len(self.checks) == 1 else 's'}"
        verdict = f"passed, {count}" if self.passed else f"FAILED, {len(self.failures)} of {count}"
        return [*map(str, self.checks), f"{self.directory}: {verdict}"]
