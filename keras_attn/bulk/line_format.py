"""The format of an output line."""

from __future__ import annotations

import dataclasses

from keras_attn.bulk.block import Block


@dataclasses.dataclass(frozen=True)
class LineFormat:
    """The fields before a translation, each followed by a tab.

    Args:
        scores: bool. The score, as `keras-attn translate --scores` writes it.
        line_ids: bool. The file of the source, and the number of the line in it, counted from 1.

    Example:
    >>> block = Block(0, "/x/a", "a", 0, 60, first_line=1001, position=0, num_lines=9, joins=True)
    >>> LineFormat(scores=True, line_ids=True).write(block, 2, -0.25, "Hallo!", b"\\n")
    b'a\\t1003\\t-0.250000\\tHallo!\\n'
    """

    scores: bool = False
    line_ids: bool = False

    def write(self, block: Block, index: int, score: float, text: str, end: bytes) -> bytes:
        """Writes a line.

        Args:
            block: `Block`. The block of the line.
            index: int. Index of the line in the block, from 0.
            score: float.
            text: str. The translation, on one line.
            end: bytes. The line end.

        Returns:
            bytes.
        """
        before = f"{block.name}\t{block.first_line + index}\t" if self.line_ids else ""
        if self.scores:
            before += f"{score:.6f}\t"
        return f"{before}{text}".encode() + end
