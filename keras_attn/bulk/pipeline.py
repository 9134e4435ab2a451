"""The pipeline of a bulk translation: read, translate, write, merge, publish."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from keras_attn.bulk.beam_engine import KeyedModelHandler, Metrics, ModelHandler, RunInference, beam
from keras_attn.bulk.block import Block
from keras_attn.bulk.bulk_report import BulkReport
from keras_attn.bulk.line_format import LineFormat
from keras_attn.bulk.part import Part, write_parts
from keras_attn.bulk.plan import read_blocks
from keras_attn.bulk.shard import Shard
from keras_attn.bulk.shard_file import ShardFile, give_name, merge_parts, publish
from keras_attn.lines import LineCounts
from keras_attn.translator import Translation

_METRICS = "keras_attn"


class TranslateBlocks(beam.PTransform):
    """Translates the blocks of a plan, and publishes its shards.

    Blocks are spread over the workers. Each worker divides the lines that it gets into batches and
    translates them. The lines of a block are grouped again by the block's number, sorted and
    written. After that, only file names are passed on.

    Args:
        blocks_path: str. The file that `Plan.write_blocks` wrote.
        shards: sequence of `Shard`. All of them, in order.
        shard_names: sequence of str. Their final names.
        report_path: str. The path of the report.
        handler: Beam's `ModelHandler`. It takes `str` and returns `Translation`.
        line_format: `LineFormat`.
        directory: str. The directory of temporary files.
    """

    def __init__(
        self,
        blocks_path: str,
        shards: Sequence[Shard],
        shard_names: Sequence[str],
        report_path: str,
        handler: ModelHandler,
        line_format: LineFormat,
        directory: str,
    ) -> None:
        super().__init__()
        self.blocks_path = blocks_path
        self.shards = shards
        self.shard_names = shard_names
        self.report_path = report_path
        self.handler = handler
        self.line_format = line_format
        self.directory = directory

    def expand(self, pipeline: Any) -> Any:
        """Applies the steps.

        Args:
            pipeline: Beam's pipeline, or the start of one.

        Returns:
            PCollection with the one report.
        """
        blocks = (
            pipeline
            | "Plan" >> beam.Create([self.blocks_path])
            | "Blocks" >> beam.FlatMap(read_blocks).with_output_types(Any)
            | "Spread" >> beam.Reshuffle()
        )
        translated = (
            blocks
            | "Read" >> beam.FlatMap(_read_lines).with_output_types(Any)
            | "Translate" >> RunInference(KeyedModelHandler(self.handler))
            | "ByBlock" >> beam.MapTuple(_by_block).with_output_types(tuple[int, Any])
        )
        numbered = blocks | "Number" >> beam.Map(_numbered).with_output_types(tuple[int, Any])
        parts = (
            {"block": numbered, "lines": translated}
            | "Gather" >> beam.CoGroupByKey()
            | "Write"
            >> beam.ParDo(
                _WriteParts(self.shards, self.line_format, self.directory)
            ).with_output_types(tuple[int, Any])
        )
        shards = pipeline | "Shards" >> beam.Create(
            [(shard.number, tuple(shard)) for shard in self.shards]
        ).with_output_types(tuple[int, Any])
        return (
            {"shard": shards, "parts": parts}
            | "Collect" >> beam.CoGroupByKey()
            | "Merge" >> beam.Map(_merge, self.directory).with_output_types(Any)
            | "All" >> beam.combiners.ToList()
            | "Publish" >> beam.Map(_publish, self.shard_names, self.report_path, self.directory)
        )


def _read_lines(block: Block) -> Iterator[tuple[tuple[int, int, bytes], str]]:
    for index, line in enumerate(block.read()):
        yield (block.number, index, line.end), line.text


def _by_block(key: tuple[int, int, bytes], translation: Translation) -> tuple[int, Any]:
    number, index, end = key
    content = (translation.source, translation.text, translation.score, translation.truncated)
    return number, (index, end, *content)


def _numbered(block: Block) -> tuple[int, Block]:
    return block.number, block


class _WriteParts(beam.DoFn):
    """Writes the parts of a block, and counts its lines under the engine's own metrics."""

    def __init__(self, shards: Sequence[Shard], line_format: LineFormat, directory: str) -> None:
        self.shards = shards
        self.line_format = line_format
        self.directory = directory

    def process(self, element: tuple[int, dict[str, Any]]) -> Iterator[tuple[int, Part]]:
        (block,) = element[1]["block"]
        lines = element[1]["lines"]
        for part in write_parts(block, lines, self.shards, self.line_format, self.directory):
            for name, count in vars(part.counts).items():
                Metrics.counter(_METRICS, name).inc(count)
            yield part.shard, part


def _merge(element: tuple[int, dict[str, Iterable[Any]]], directory: str) -> ShardFile:
    (shard,) = element[1]["shard"]
    return merge_parts(Shard(*shard), element[1]["parts"], directory)


def _publish(
    files: Sequence[ShardFile], shard_names: Sequence[str], report_path: str, directory: str
) -> BulkReport:
    publish(files, shard_names)
    report = BulkReport(LineCounts.total(file.counts for file in files), tuple(shard_names))
    unfinished = f"{directory}/report-{uuid.uuid4().hex}"
    report.write(unfinished)
    give_name(unfinished, report_path)
    return report
