"""A block: adjacent lines of an input file, which one worker reads in one step."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from keras_attn.bulk.files import open_file
from keras_attn.lines import Line, read_chunks


class Block(NamedTuple):
    """Where the lines of a block are.

    Args:
        number: int. Its number among the blocks of all files.
        path: str. The absolute path of the file.
        name: str. The path as it was given.
        first_byte: int. Offset of its first byte in the file.
        num_bytes: int. Its length in the file.
        first_line: int. Number of its first line in the file, counted from 1.
        position: int. Number of lines before it, in all files together.
        num_lines: int. Number of lines in it.
        joins: bool. Whether a last line without a line feed gets one, because the line after it
            comes from another file and may go to the same shard.
    """

    number: int
    path: str
    name: str
    first_byte: int
    num_bytes: int
    first_line: int
    position: int
    num_lines: int
    joins: bool

    def read(self) -> list[Line]:
        """Reads the lines.

        Returns:
            list of `Line`, `num_lines` of them.

        Raises:
            ValueError: if the file has changed since the block was cut.
        """
        with open_file(self.path) as stream:
            stream.seek(self.first_byte)
            content = io.BytesIO(stream.read(self.num_bytes))
        name = f"`{self.path}`"
        lines = next(read_chunks(content, self.num_lines, self.first_line, name), [])
        if len(lines) != self.num_lines or content.read(1):
            raise ValueError(
                f"{name} must not change while it is translated. Received: a different "
                f"number of lines from line {self.first_line} on."
            )
        if self.joins and not lines[-1].end:
            lines[-1] = lines[-1]._replace(end=b"\n")
        return lines


def cut_blocks(
    stream: BinaryIO, lines_per_block: int, name: str
) -> Iterator[tuple[int, int, int, int]]:
    """Cuts a file into blocks, and checks that it is UTF-8.

    Args:
        stream: binary stream, at its start.
        lines_per_block: int.
        name: str. The name of the file in errors.

    Yields:
        First byte, number of bytes, first line (counted from 1) and number of lines of a block.

    Raises:
        ValueError: if a line is not UTF-8.
    """
    first_byte, first_line = 0, 1
    for chunk in read_chunks(stream, lines_per_block, name=name):
        end = stream.tell()
        yield first_byte, end - first_byte, first_line, len(chunk)
        first_byte, first_line = end, first_line + len(chunk)
