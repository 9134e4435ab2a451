"""What happened to lines that were translated, one line out for each line in."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable


@dataclasses.dataclass
class LineCounts:
    """Counts over lines: nothing is dropped or cut silently.

    Args:
        lines: int. All lines.
        empty: int. Lines of the source without anything but blanks.
        truncated: int. Translations that are marked as truncated.
        with_breaks: int. Translations with a line break in them, which became a blank.
        with_returns: int. Lines of the source with a carriage return inside, often the end of a
            line that another tool would see.

    Example:
    >>> counts = LineCounts()
    >>> counts.take(source=" ", translation="", is_truncated=False)
    ''
    >>> counts.take(source="one", translation="ein\\ns", is_truncated=True)
    'ein s'
    >>> counts.report()
    '2 lines: 1 empty, 1 truncated, 1 with line breaks in the translation, made blanks'
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
            source: str. What was translated.
            translation: str. What came out.
            is_truncated: bool. Whether the translator says so.

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
        """The counts in words; nothing if there is nothing to report."""
        parts = [
            (self.empty, "empty"),
            (self.truncated, "truncated"),
            (self.with_breaks, "with line breaks in the translation, made blanks"),
            (self.with_returns, "with a carriage return inside"),
        ]
        found = [f"{count:,} {words}" for count, words in parts if count]
        return f"{self.lines:,} lines: {', '.join(found)}" if found else ""
