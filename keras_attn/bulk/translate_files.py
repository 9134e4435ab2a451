"""Translates many files with one translator, on an engine that Apache Beam drives."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from keras_attn.bulk.beam_engine import FileSystems, PipelineOptions, PipelineState, beam
from keras_attn.bulk.bulk_report import BulkError, BulkReport
from keras_attn.bulk.claim import claim_names, run_directory
from keras_attn.bulk.engine_options import read_options
from keras_attn.bulk.files import absolute, delete_directory, find_files, is_local
from keras_attn.bulk.line_format import LineFormat
from keras_attn.bulk.pipeline import TranslateBlocks
from keras_attn.bulk.plan import Plan
from keras_attn.bulk.shard import shard_name
from keras_attn.bulk.translator_model_handler import TranslatorModelHandler, write_archive
from keras_attn.system.argument_checks import check_integer
from keras_attn.translator.translator_files import SETTINGS_FILE

BLOCK_LINES = 1000


def translate_files(
    translator_directory: str | os.PathLike[str],
    inputs: Sequence[str],
    output_prefix: str,
    *,
    num_beams: int | None = None,
    num_shards: int | None = None,
    scores: bool = False,
    line_ids: bool = False,
    options: Sequence[str] | PipelineOptions = (),
) -> BulkReport:
    """Translates files of lines, as `Translator.translate` does, on any engine that Beam runs on.

    The output consists of shards named `PREFIX-00003-of-00008`. By default there is one shard per
    file, with a line for each line of the file and the same line ends. With `num_shards`, the lines
    of all files are divided into that many shards. In both cases, the shards in sequence hold the
    translations of all lines, in order. They appear when all are written. `PREFIX.report.json`,
    with the counts, appears last.

    Every line occurs exactly once. The output of a failed attempt is never read. A shard is made
    only if its parts hold each of its lines exactly once, and final names are given at the end. So
    an engine may retry any step.

    A block of 1,000 lines is the unit of work. Any worker reads, translates and writes blocks in
    any order, and lines are sorted only inside a block. So the memory of a worker does not limit
    the number of lines.

    Workers need this package and access to the files. If the output is on a file system such as
    `gs://`, only this machine needs the translator, because a copy of it is written there.

    Args:
        translator_directory: path. A saved translator, on this machine.
        inputs: sequence of str. UTF-8 files, or patterns with `*`, `?` or `[...]`, on any file
            system that Beam supports. All files are read at the start, so a file that is not UTF-8
            is refused before anything is translated.
        output_prefix: str. The beginning of all output names. No file may have such a name yet,
            and no other run may be writing to them.
        num_beams: int or None. Hypotheses of the beam search; None for the search as saved.
        num_shards: int or None. The number of shards; None for one per file.
        scores: bool. Whether to write the score and a tab before each translation.
        line_ids: bool. Whether to write the source file and the line number in it, counted from 1,
            at the start of each line, each followed by a tab.
        options: sequence of str, or Beam's `PipelineOptions`. The engine and its options, such as
            `["--runner=FlinkRunner", "--parallelism=4"]`. Defaults to Beam's runner for this
            machine.

    Returns:
        `BulkReport`.

    Raises:
        ValueError: if an argument is out of range, a file is missing or not UTF-8, or output
            already exists.
        BulkError: if the engine failed. Then no shard has appeared, unless the engine failed while
            it gave the shards their names.

    Example:
    >>> translate_files("runs/phrasebook/translator", ["no-such-file.en"], "phrases.de")
    Traceback (most recent call last):
    ...
    ValueError: `translator_directory` must hold a saved translator. Received: runs/phrasebook/...
    """
    if not os.path.isfile(os.path.join(translator_directory, SETTINGS_FILE)):
        raise ValueError(
            "`translator_directory` must hold a saved translator. "
            f"Received: {os.fspath(translator_directory)}, without {SETTINGS_FILE}."
        )
    patterns = _check_arguments(inputs, num_shards)
    pipeline_options = read_options(options)
    FileSystems.set_options(pipeline_options)  # such as credentials
    names = find_files(patterns)
    if line_ids:
        _check_names(names)
    prefix = _check_prefix(output_prefix)
    directory = run_directory(prefix, uuid.uuid4().hex[:8])
    handler = TranslatorModelHandler(f"{directory}/translator.zip", num_beams)
    report_path = f"{prefix}.report.json"
    try:
        claim_names(prefix, directory)
        plan = Plan.make(names, num_shards, BLOCK_LINES)
        shard_names = [shard_name(prefix, n, len(plan.shards)) for n in range(len(plan.shards))]
        write_archive(translator_directory, handler.translator)
        plan.write_blocks(f"{directory}/blocks.jsonl")
        pipeline = beam.Pipeline(options=pipeline_options)
        _ = pipeline | TranslateBlocks(
            blocks_path=f"{directory}/blocks.jsonl",
            shards=plan.shards,
            shard_names=shard_names,
            report_path=report_path,
            handler=handler,
            line_format=LineFormat(scores=scores, line_ids=line_ids),
            directory=directory,
        )
        _run(pipeline)
    finally:
        delete_directory(directory)
    return BulkReport.read(report_path)


def _run(pipeline: Any) -> None:
    """Runs a pipeline to its end; the message of any error becomes one line."""
    try:
        result = pipeline.run()
        state = result.wait_until_finish() or result.state
    except Exception as error:  # engines raise errors of any class
        raise BulkError(f"The pipeline failed: {_cause(error)}") from error
    if state != PipelineState.DONE:
        raise BulkError(f"The pipeline ended as {state}. See the engine's log for the reason.")


def _cause(error: Exception) -> str:
    """The last line of an engine's message; in a traceback, it is the error."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    last = re.sub(r" \[while running .*", "", lines[-1]) if lines else ""
    return last or type(error).__name__


def _check_arguments(inputs: Any, num_shards: Any) -> list[str]:
    is_several = isinstance(inputs, Iterable) and not isinstance(inputs, str | bytes)
    patterns = list(inputs) if is_several else []
    if not patterns or not all(isinstance(one, str) for one in patterns):
        raise ValueError(
            "`inputs` must be a sequence of files or patterns, such as ['data/*.en']. "
            f"Received: {inputs!r}."
        )
    if num_shards is not None:
        check_integer("num_shards", num_shards, maximum=99_999)
    return patterns


def _check_names(names: Sequence[str]) -> None:
    for name in names:
        if re.search(r"[\t\r\n]", name):
            raise ValueError(
                "`line_ids` must be False for files with a tab or a line break in their names. "
                f"Received: {name!r}."
            )


def _check_prefix(output_prefix: str) -> str:
    """The absolute prefix; ValueError if it is invalid."""
    if not isinstance(output_prefix, str) or re.search(r"[*?\[]|/$|^$", output_prefix):
        raise ValueError(
            "`output_prefix` must be the beginning of file names, without *, ? and [. "
            f"Received: {output_prefix!r}."
        )
    prefix = absolute(output_prefix)
    parent = os.path.dirname(prefix)
    if is_local(prefix) and not (os.path.isdir(parent) and os.access(parent, os.W_OK)):
        raise ValueError(
            "`output_prefix` must be in an existing directory that you may write to. "
            f"Received: {output_prefix}. Make the directory with `mkdir -p {parent}`."
        )
    return prefix
