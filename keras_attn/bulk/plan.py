"""The plan: the input in blocks and the output in shards, both in the order of the lines."""

from __future__ import annotations

import bisect
import dataclasses
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from keras_attn.bulk.block import Block, cut_blocks
from keras_attn.bulk.files import absolute, create_file, open_file
from keras_attn.bulk.shard import Shard

# All files are read at the start. Reading several at once hides a slow remote file system.
_FILES_AT_A_TIME = 8


@dataclasses.dataclass(frozen=True)
class Plan:
    """Blocks and shards. Each covers every line of all inputs once, in order.

    Args:
        blocks: tuple of `Block`.
        shards: tuple of `Shard`.
    """

    blocks: tuple[Block, ...]
    shards: tuple[Shard, ...]

    @classmethod
    def make(cls, names: Sequence[str], num_shards: int | None, lines_per_block: int) -> Plan:
        """Reads all files completely and plans their translation.

        Args:
            names: sequence of str. The files, in order.
            num_shards: int or None. The number of nearly equal shards; None for one per file.
            lines_per_block: int.

        Returns:
            `Plan`.

        Raises:
            ValueError: if a file cannot be read or is not UTF-8.
        """
        blocks: list[Block] = []
        shards: list[Shard] = []
        position = 0
        with ThreadPoolExecutor(_FILES_AT_A_TIME) as pool:
            all_cuts = pool.map(_cut_file, names, [lines_per_block] * len(names))
            for number, (name, cuts) in enumerate(zip(names, all_cuts, strict=True)):
                joins = num_shards is not None and number + 1 < len(names)
                file, start = (absolute(name), name), position
                for first_byte, num_bytes, first_line, num_lines in cuts:
                    extent = (first_byte, num_bytes, first_line, position, num_lines)
                    blocks.append(Block(len(blocks), *file, *extent, joins))
                    position += num_lines
                shards.append(Shard(number, start, position - start))
        if num_shards is not None:
            ends = [position * number // num_shards for number in range(num_shards + 1)]
            shards = [
                Shard(number, ends[number], ends[number + 1] - ends[number])
                for number in range(num_shards)
            ]
        return cls(tuple(blocks), tuple(shards))

    def write_blocks(self, path: str) -> None:
        """Writes the blocks to a file; in the pipeline itself they would exceed limits of engines.

        Args:
            path: str. The file.
        """
        with create_file(path) as file:
            for block in self.blocks:
                file.write(json.dumps(block).encode() + b"\n")


def read_blocks(path: str) -> Iterator[Block]:
    """Reads the blocks that `Plan.write_blocks` wrote.

    Args:
        path: str. The file.

    Yields:
        `Block`.
    """
    with open_file(path) as file:
        for line in file:
            yield Block(*json.loads(line))


def pieces(block: Block, shards: Sequence[Shard]) -> Iterator[tuple[int, int, int]]:
    """Finds which lines of a block go to which shards.

    Args:
        block: `Block`.
        shards: sequence of `Shard`. All of them, in order.

    Yields:
        Number of the shard, index of the first of its lines in the block, and index after the
        last. Indices count from 0 at the start of the block.

    Example:

    >>> shards = [Shard(0, 0, 5), Shard(1, 5, 0), Shard(2, 5, 5)]
    >>> block = Block(0, "/a", "a", 0, 60, 1, position=3, num_lines=6, joins=False)
    >>> list(pieces(block, shards))
    [(0, 0, 2), (2, 2, 6)]
    """
    # Of shards that begin at the same position, all but the last are empty.
    number = bisect.bisect_right(shards, block.position, key=lambda shard: shard.position) - 1
    start = 0
    while start < block.num_lines:
        shard = shards[number]
        end = min(block.num_lines, shard.position + shard.num_lines - block.position)
        if end > start:
            yield number, start, end
            start = end
        number += 1


def _cut_file(name: str, lines_per_block: int) -> list[tuple[int, int, int, int]]:
    try:
        with open_file(absolute(name)) as stream:
            return list(cut_blocks(stream, lines_per_block, f"`{name}`"))
    except OSError as error:
        raise ValueError(
            f"`inputs` must be readable files. Received: {name} ({error.strerror or error})."
        ) from error
