"""The report of a bulk translation."""

from __future__ import annotations

import dataclasses
import json

from keras_attn.bulk.files import create_file, open_file
from keras_attn.lines import LineCounts


class BulkError(Exception):
    """The engine failed, or lines were lost: no output file has appeared."""


@dataclasses.dataclass(frozen=True)
class BulkReport:
    """Counts over all lines, and the files.

    Args:
        counts: `LineCounts`.
        shards: tuple of str. The files, in the order of the lines.

    Example:
    >>> print(BulkReport(LineCounts(lines=20_000, empty=3), ("out-00000-of-00001",)))
    20,000 lines in 1 shard, 3 empty
    """

    counts: LineCounts
    shards: tuple[str, ...]

    def __str__(self) -> str:
        what = "shard" if len(self.shards) == 1 else "shards"
        _, _, found = self.counts.report().partition(": ")
        text = f"{self.counts.lines:,} lines in {len(self.shards):,} {what}"
        return f"{text}, {found}" if found else text

    def write(self, path: str) -> None:
        """Writes the report as JSON.

        Args:
            path: str. The file, on any file system that Beam supports.
        """
        values = {**dataclasses.asdict(self.counts), "shards": list(self.shards)}
        with create_file(path) as file:
            file.write(json.dumps(values, indent=2).encode() + b"\n")

    @classmethod
    def read(cls, path: str) -> BulkReport:
        """Reads what `write` wrote.

        Args:
            path: str. The file.

        Returns:
            `BulkReport`.
        """
        with open_file(path) as file:
            values = json.loads(file.read())
        shards = tuple(values.pop("shards"))
        return cls(LineCounts(**values), shards)
