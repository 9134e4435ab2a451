"""Blocks and shards cover every line once, and what does not is not written."""

from __future__ import annotations

import io
import itertools
from pathlib import Path

import pytest

from keras_attn.bulk.block import Block, cut_blocks
from keras_attn.bulk.bulk_report import BulkError
from keras_attn.bulk.line_format import LineFormat
from keras_attn.bulk.part import Part, TranslatedLine, write_parts
from keras_attn.bulk.plan import Plan, pieces, read_blocks
from keras_attn.bulk.shard import Shard
from keras_attn.bulk.shard_file import ShardFile, give_name, merge_parts, publish

BLOCK = Block(0, "/a", "a", 0, 12, first_line=1, position=3, num_lines=4, joins=False)
SHARDS = [Shard(0, 0, 5), Shard(1, 5, 0), Shard(2, 5, 2)]


def translated(*places: int) -> list[TranslatedLine]:
    """Lines of a block as they come out of the model."""
    return [(place, b"\n", "source", f"target {place}", -0.5, False) for place in places]


@pytest.mark.parametrize("lines_per_block", [1, 2, 3, 100])
@pytest.mark.parametrize(
    "content", [b"", b"\xef\xbb\xbf", b"a", b"a\n", b"\n\n\n", "\ufeffä\r\n\nb\nc\n\nd".encode()]
)
def test_blocks_are_a_file_without_gaps(content: bytes, lines_per_block: int) -> None:
    blocks = list(cut_blocks(io.BytesIO(content), lines_per_block, "it"))
    assert b"".join(content[first : first + size] for first, size, _, _ in blocks) == (
        b"" if content == b"\xef\xbb\xbf" else content
    )
    numbers = [line for _, _, first, count in blocks for line in range(first, first + count)]
    assert all(1 <= count <= lines_per_block for *_, count in blocks)
    # A file of one line that is a byte order mark alone has no line.
    marks = content == b"\xef\xbb\xbf"
    assert len(numbers) == (0 if marks else len(content.splitlines()))


def test_a_block_has_the_lines_that_the_file_has_there(tmp_path: Path) -> None:
    texts = ["\ufeffone", "", "\ufeffmark inside", "größer", "five"]
    tmp_path.joinpath("a").write_bytes("\r\n".join(texts).encode())
    tmp_path.joinpath("b").write_bytes(b"six")
    plan = Plan.make([str(tmp_path / "a"), str(tmp_path / "b")], 1, lines_per_block=2)
    plan.write_blocks(str(tmp_path / "blocks"))
    blocks = list(read_blocks(str(tmp_path / "blocks")))
    assert blocks == list(plan.blocks)
    lines = [line for block in blocks for line in block.read()]
    assert [line.text for line in lines] == ["one", *texts[1:], "six"]
    assert [line.end for line in lines] == [b"\r\n"] * 4 + [b"\n", b""]
    assert plan.shards == (Shard(0, 0, 6),)


@pytest.mark.parametrize("num_shards", [None, 1, 2, 5, 13])
def test_every_line_of_every_block_goes_to_one_shard(
    num_shards: int | None, tmp_path: Path
) -> None:
    names = []
    for number, lines in enumerate([7, 0, 0, 3, 1, 0]):
        file = tmp_path / str(number)
        file.write_bytes(b"x\n" * lines)
        names.append(str(file))
    plan = Plan.make(names, num_shards, lines_per_block=3)
    placed = [
        (block.position + place, number)
        for block in plan.blocks
        for number, start, end in pieces(block, plan.shards)
        for place in range(start, end)
    ]
    assert [position for position, _ in placed] == list(range(11))
    wanted = itertools.chain.from_iterable(
        [shard.number] * shard.num_lines for shard in plan.shards
    )
    assert [number for _, number in placed] == list(wanted)
    assert len(plan.shards) == (num_shards or len(names))


@pytest.mark.parametrize("places", [(0, 1, 2), (0, 1, 2, 2, 3), (0, 1, 2, 4), ()])
def test_a_block_with_a_line_missing_or_twice_is_not_written(
    places: tuple[int, ...], tmp_path: Path
) -> None:
    with pytest.raises(BulkError, match="Every line of a block must arrive exactly once"):
        list(write_parts(BLOCK, translated(*places), SHARDS, LineFormat(), str(tmp_path)))
    assert list(tmp_path.iterdir()) == []


def test_lines_in_any_order_are_written_in_theirs_and_two_attempts_do_not_meet(
    tmp_path: Path,
) -> None:
    arguments = (SHARDS, LineFormat(), str(tmp_path))
    first = list(write_parts(BLOCK, translated(3, 0, 2, 1), *arguments))
    second = list(write_parts(BLOCK, translated(1, 2, 3, 0), *arguments))
    assert [(part.shard, part.position, part.counts.lines) for part in first] == [
        (0, 3, 2),
        (2, 5, 2),
    ]
    assert [Path(part.path).read_bytes() for part in first] == [
        b"target 0\ntarget 1\n",
        b"target 2\ntarget 3\n",
    ]
    assert {part.path for part in first}.isdisjoint(part.path for part in second)
    shard = merge_parts(SHARDS[2], [second[1]], str(tmp_path))
    assert Path(shard.path).read_bytes() == b"target 2\ntarget 3\n"
    assert shard.counts.lines == 2


def test_a_shard_with_a_part_missing_or_twice_is_not_written(tmp_path: Path) -> None:
    arguments = (SHARDS, LineFormat(), str(tmp_path))
    early = Block(1, "/a", "a", 0, 9, first_line=1, position=0, num_lines=3, joins=False)
    parts: list[Part] = [
        *write_parts(early, translated(0, 1, 2), *arguments),
        *write_parts(BLOCK, translated(0, 1, 2, 3), *arguments),
    ]
    of_shard = [part for part in parts if part.shard == 0]
    merged = merge_parts(SHARDS[0], of_shard[::-1], str(tmp_path))
    assert (
        Path(merged.path).read_text().split()
        == "target 0 target 1 target 2 target 0 target 1".split()
    )
    before = sorted(tmp_path.iterdir())
    for wrong in ([], of_shard[:1], of_shard[1:], [*of_shard, of_shard[0]], parts):
        with pytest.raises(BulkError, match="must hold its 5 lines, each exactly once"):
            merge_parts(SHARDS[0], wrong, str(tmp_path))
    assert sorted(tmp_path.iterdir()) == before


def test_an_empty_shard_is_an_empty_file(tmp_path: Path) -> None:
    shard = merge_parts(SHARDS[1], [], str(tmp_path))
    assert Path(shard.path).read_bytes() == b""


def files_of(directory: Path, *numbers: int) -> list[ShardFile]:
    """Shards that wait for their names."""
    counts = merge_parts(SHARDS[1], [], str(directory)).counts
    files = []
    for number in numbers:
        directory.joinpath(f"waiting {number}").write_text(f"shard {number}")
        files.append(ShardFile(number, counts, str(directory / f"waiting {number}")))
    return files


def test_names_are_given_once_and_asking_again_changes_nothing(tmp_path: Path) -> None:
    names = [str(tmp_path / "out 0"), str(tmp_path / "out 1")]
    files = files_of(tmp_path, 1, 0)
    give_name(files[1].path, names[0])  # as far as an attempt that was killed came
    publish(files, names)
    publish(files, names)
    anew = files_of(tmp_path, 0, 1)  # some file systems refuse to rename onto a file
    for file in anew:
        Path(file.path).write_text("computed anew")
    publish(anew, names)
    assert [Path(name).read_text() for name in names] == ["shard 0", "shard 1"]


@pytest.mark.parametrize("numbers", [(0,), (0, 0), (0, 1, 1), (1, 2)])
def test_no_name_is_given_where_a_shard_is_missing_or_twice(
    numbers: tuple[int, ...], tmp_path: Path
) -> None:
    names = [tmp_path / "out 0", tmp_path / "out 1"]
    with pytest.raises(BulkError, match="There must be 2 shards"):
        publish(files_of(tmp_path, *numbers), [str(name) for name in names])
    assert not any(name.exists() for name in names)


def test_a_shard_that_is_lost_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="[Rr]ename"):
        give_name(str(tmp_path / "nowhere"), str(tmp_path / "out"))
