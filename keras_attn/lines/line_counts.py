"""Counts of lines that were translated, with one output line for each input line."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable


@dataclasses.dataclass
class LineCounts:
    """Counts of lines, so that nothing is dropped or cut silently.

    Args:
        lines: int. All lines.
        empty: int. Lines of the source that are empty or hold only blanks.
        truncated: int. Translations that are marked as truncated.
        with_breaks: int. Translations with a line break inside, which was replaced by a blank.
        with_returns: int. Lines of the source with a carriage return inside. Other tools often take
            it for the end of a line.

    Example:
    >>> counts = LineCounts()
    >>> counts.take(source=" ", translation="", is_truncated=False)
    ''
    >>> counts.take(source="one", translation="ein\\ns", is_truncated=True)
    'ein s'
    >>> counts.report()
    '2 lines: 1 empty, 1 truncated, 1 with line breaks in the translation, replaced by blanks'
    """

    lines: int = 0
    empty: int = 0
    truncated: int = 0
    with_breaks: int = 0
    with_returns: int = 0

    @classmethod
    def total(cls, counts: Iterable[LineCounts]) -> LineCounts:
        """Adds counts up.

        Args:
            counts: iterable of `LineCounts`.

        Returns:
            `LineCounts`.
        """
        rows = [dataclasses.astuple(each) for each in counts]
        return cls(*map(sum, zip(*rows, strict=True)))

    def take(self, source: str, translation: str, is_truncated: bool) -> str:
        """Counts a line.

        Args:
            source: str. The source line.
            translation: str. Its translation.
            is_truncated: bool. Whether the translator marked the translation as truncated.

        Returns:
            str. The translation, on one line.
        """
        text = translation.replace("\n", " ").replace("\r", " ")
        self.lines += 1
        self.empty += not source.strip()
        self.truncated += is_truncated
        self.with_breaks += text != translation
        self.with_returns += "\r" in source
        return text

    def report(self) -> str:
        """The counts in words; empty if there is nothing to report."""
        parts = [
            (self.empty, "empty"),
            (self.truncated, "truncated"),
            (self.with_breaks, "with line breaks in the translation, replaced by blanks"),
            (self.with_returns, "with a carriage return inside"),
        ]
        found = [f"{count:,} {words}" for count, words in parts if count]
        return f"{self.lines:,} lines: {', '.join(found)}" if found else ""
