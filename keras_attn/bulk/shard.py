"""A shard: adjacent lines of the output, which become one file."""

from __future__ import annotations

from typing import NamedTuple


class Shard(NamedTuple):
    """Which lines a shard has.

    Args:
        number: int. Its number, counted from 0.
        position: int. Number of lines before it, in all files together.
        num_lines: int.
    """

    number: int
    position: int
    num_lines: int


def shard_name(prefix: str, number: int, num_shards: int) -> str:
    """The final name of a shard.

    Args:
        prefix: str. The beginning of all names.
        number: int. Number of the shard, counted from 0.
        num_shards: int. The number of shards.

    Returns:
        str.

    Example:

    >>> shard_name("out/test.de", 3, 8)
    'out/test.de-00003-of-00008'
    """
    return f"{prefix}-{number:05d}-of-{num_shards:05d}"
