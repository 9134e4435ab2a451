"""The translated lines of one block that go to one shard, in a file of their own."""

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
    """A file with a stretch of a shard.

    Every attempt to write it makes a file with a name that no other attempt has. An engine that
    tries a block again keeps what one attempt returned, so the files of the others are never read.

    Args:
        shard: int. Number of the shard.
        position: int. Number of lines before it, in all files together.
        counts: `LineCounts`. Of its lines.
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
        directory: str. Where the files go.

    Yields:
        `Part`. One for each shard that lines of the block go to.

    Raises:
        BulkError: if a line is missing, or there twice.
    """
    ordered = sorted(lines, key=lambda line: line[0])
    indices = [line[0] for line in ordered]
    if indices != list(range(block.num_lines)):
        raise BulkError(
            f"Every line of a block must come once. Received: {len(indices)} lines, "
            f"{len(set(indices))} different ones, for the {block.num_lines} of {block.name} from "
            f"line {block.first_line} on."
        )
    for shard, start, end in pieces(block, shards):
        counts = LineCounts()
        path = f"{directory}/part-{shard:05d}-{block.number:09d}-{uuid.uuid4().hex}"
        with create_file(path) as file:
            for index, line_end, source, translation, score, is_truncated in ordered[start:end]:
                text = counts.take(source, translation, is_truncated)
                file.write(line_format.write(block, index, score, text, line_end))
        yield Part(shard, block.position + start, counts, path)
