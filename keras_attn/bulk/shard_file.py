"""The file of a shard, and its final name."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from keras_attn.bulk.beam_engine import BeamIOError, FileSystems
from keras_attn.bulk.bulk_report import BulkError
from keras_attn.bulk.files import create_file, open_file
from keras_attn.bulk.part import Part
from keras_attn.bulk.shard import Shard
from keras_attn.lines import LineCounts


class ShardFile(NamedTuple):
    """The file of a shard, under a name that is unique to one attempt to write it.

    Args:
        number: int. Number of the shard.
        counts: `LineCounts`. The counts of its lines.
        path: str. The file.
    """

    number: int
    counts: LineCounts
    path: str


def merge_parts(shard: Shard, parts: Iterable[Part], directory: str) -> ShardFile:
    """Merges the parts of a shard into one file.

    Args:
        shard: `Shard`.
        parts: iterable of `Part`. In any order.
        directory: str. The directory of the file.

    Returns:
        `ShardFile`.

    Raises:
        BulkError: if the parts do not hold every line of the shard exactly once.
    """
    ordered = sorted(parts, key=lambda part: part.position)
    _check_parts(shard, ordered)
    path = f"{directory}/shard-{shard.number:05d}-{uuid.uuid4().hex}"
    with create_file(path) as file:
        for part in ordered:
            with open_file(part.path) as stream:
                shutil.copyfileobj(stream, file)
    return ShardFile(shard.number, LineCounts.total(part.counts for part in ordered), path)


def _check_parts(shard: Shard, ordered: Sequence[Part]) -> None:
    """Checks that the parts follow one another without gaps from the start to the end."""
    position = shard.position
    for part in ordered:
        if part.position != position:
            break
        position += part.counts.lines
    else:
        if position == shard.position + shard.num_lines:
            return
    found = [f"{part.counts.lines} from line {part.position - shard.position}" for part in ordered]
    raise BulkError(
        f"The parts of shard {shard.number} must hold its {shard.num_lines} lines, each exactly "
        f"once. Received: {', '.join(found) or 'none'}."
    )


def publish(files: Sequence[ShardFile], names: Sequence[str]) -> None:
    """Gives shards their final names; an engine may call it several times.

    Args:
        files: sequence of `ShardFile`. One for each name, in any order.
        names: sequence of str. The final names, in the order of the shards.

    Raises:
        BulkError: if a shard is missing or occurs twice; then no name is given.
    """
    ordered = sorted(files, key=lambda file: file.number)
    numbers = [file.number for file in ordered]
    if numbers != list(range(len(names))):
        raise BulkError(
            f"There must be {len(names)} shards, each exactly once. Received: the shards {numbers}."
        )
    for file, name in zip(ordered, names, strict=True):
        give_name(file.path, name)


def give_name(path: str, name: str) -> None:
    """Gives a file its final name; nothing happens if an earlier attempt has done so.

    A file that has the name belongs to this run: none existed when the run claimed its names.

    Args:
        path: str. The file.
        name: str. Its final name, on the same file system.
    """
    if FileSystems.exists(name):
        return
    try:
        FileSystems.rename([path], [name])
    except BeamIOError:
        if not FileSystems.exists(name):  # otherwise another attempt was faster
            raise
