"""The translated lines of one block that go to one shard, in a separate file."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from keras_attn.bulk.block import Block
from keras_attn.bulk.bulk_report import BulkError
from keras_attn.bulk.files import create_file
from keras_attn.bulk.line_format import LineFormat
from keras_attn.bulk.plan import pieces
from keras_attn.bulk.shard import Shard
from keras_attn.lines import LineCounts

# Index in the block, from 0; line end, source, translation, score, whether it is truncated.
TranslatedLine = tuple[int, bytes, str, str, float, bool]


class Part(NamedTuple):
    """A file with consecutive lines of a shard.

    Every attempt to write it makes a file with a unique name. An engine that retries a block keeps
    the result of one attempt, so the files of the other attempts are never read.

    Args:
        shard: int. Number of the shard.
        position: int. Number of lines before it, in all files together.
        counts: `LineCounts`. The counts of its lines.
        path: str. The file.
    """

    shard: int
    position: int
    counts: LineCounts
    path: str


def write_parts(
    block: Block,
    lines: Iterable[TranslatedLine],
    shards: Sequence[Shard],
    line_format: LineFormat,
    directory: str,
) -> Iterator[Part]:
    """Writes the translated lines of a block.

    Args:
        block: `Block`.
        lines: iterable of `TranslatedLine`. All lines of the block, in any order.
        shards: sequence of `Shard`. All of them.
        line_format: `LineFormat`.
        directory: str. The directory of the files.

    Yields:
        `Part`, one for each shard that gets lines of the block.

    Raises:
        BulkError: if a line is missing or occurs twice.
    """
    ordered = sorted(lines, key=lambda line: line[0])
    indices = [line[0] for line in ordered]
    if indices != list(range(block.num_lines)):
        raise BulkError(
            f"Every line of a block must arrive exactly once. Received: {len(indices)} lines, "
            f"{len(set(indices))} of them different, for {block.num_lines} lines of {block.name} "
            f"that start at line {block.first_line}."
        )
    for shard, start, end in pieces(block, shards):
        counts = LineCounts()
        path = f"{directory}/part-{shard:05d}-{block.number:09d}-{uuid.uuid4().hex}"
        with create_file(path) as file:
            for index, line_end, source, translation, score, is_truncated in ordered[start:end]:
                text = counts.take(source, translation, is_truncated)
                file.write(line_format.write(block, index, score, text, line_end))
        yield Part(shard, block.position + start, counts, path)
