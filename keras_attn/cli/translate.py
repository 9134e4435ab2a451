"""`keras-attn translate`: lines in, as many lines out, in the same order."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
from typing import BinaryIO

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from keras_attn.cli.command_parser import Command, CommandParser, add_beams_option
from keras_attn.cli.ctranslate2_model import open_ctranslate2
from keras_attn.cli.line_source import open_lines
from keras_attn.cli.model_location import (
    RUN_HELP,
    LineTranslator,
    add_run_argument,
    find_source_language,
    open_model,
)
from keras_attn.cli.output import make_console, open_output, say
from keras_attn.cli.review_options import add_review_options, open_review
from keras_attn.cli.translate_files import add_engine_options, check_is_local, run_beam
from keras_attn.lines import CHUNK_LINES, Line, LineCounts, ReviewQueue, read_chunks

_DESCRIPTION = f"""\
Translates standard input to standard output, or a file to a file. Each line is a sentence. The
output has as many lines as the input, in the same order. An empty line stays empty. The command
refuses a file that is not UTF-8. An output file appears only when the translation is complete.

A model that was trained on sentences translates paragraphs badly. `--split-sentences` translates
the sentences of each line one by one and joins them again.

Lines are translated {CHUNK_LINES:,} at a time (one at a time from a keyboard). The command reports
on standard error how many lines were empty, or too long and truncated.

For large amounts of text on a CPU, `--engine ctranslate2` is the fastest. The model is exported for
it once, and kept in the cache directory (KERAS_ATTN_CACHE). `--quantize int8` makes it even faster.

With `--engine beam`, an Apache Beam pipeline translates many files, on this machine or, with Beam's
options after `--`, on Flink, Spark or Dataflow. The output files are OUTPUT-00000-of-00008 and so
on, one per input file, or --num-shards of them. They keep the order of the lines.
OUTPUT.report.json has the counts. All files appear only when the translation is complete."""


COMMAND = Command(
    "translate",
    "translate lines of text",
    _DESCRIPTION,
    [
        "echo 'The old woman reads a book.' | keras-attn translate runs/phrasebook",
        "keras-attn translate runs/phrasebook --input test.en --output test.out --beams 4",
        "keras-attn translate saved_models/phrasebook/1 --scores < test.en",
        "keras-attn translate --split-sentences < paragraphs.en",
        "keras-attn translate --review-below 0.4 --review-file queue.jsonl < test.en",
        "keras-attn translate runs/phrasebook --engine ctranslate2 --quantize int8 < test.en",
        "keras-attn translate runs/phrasebook --engine beam --input 'data/*.en' "
        "--output out/de -- --runner=FlinkRunner --parallelism=4",
    ],
)


def add_arguments(parser: CommandParser) -> None:
    """Adds the arguments of the command."""
    add_run_argument(parser, RUN_HELP)
    parser.add_argument(
        "--input",
        action="append",
        metavar="FILE",
        help="default: standard input; with `--engine beam`, may be a quoted pattern, and repeated",
    )
    parser.add_argument("--output", metavar="FILE", help="default: standard output")
    add_beams_option(parser)
    parser.add_argument(
        "--scores",
        action="store_true",
        help="print the score and a tab before each translation; the score is the natural "
        "log-probability that the search ranks by, after its length penalty",
    )
    parser.add_argument(
        "--split-sentences",
        nargs="?",
        const="",
        type=_language,
        metavar="LANGUAGE",
        help="translate each line sentence by sentence; LANGUAGE is the language of the lines "
        "(default: that of the model's recipe, or en)",
    )
    add_review_options(parser)
    add_engine_options(parser)


_LANGUAGE = r"[A-Za-z]{2,3}([-_][A-Za-z0-9]+)*"


def _language(text: str) -> str:
    """Checks a language code: the option would take a RUN that follows it for one."""
    if not text or (re.fullmatch(_LANGUAGE, text) and not os.path.isdir(text)):
        return text
    raise argparse.ArgumentTypeError(
        f"must be a language code, such as de. Received: {text!r}. Put RUN before it"
    )


def run(arguments: argparse.Namespace) -> int:
    """Translates lines."""
    if arguments.engine == "beam":
        return run_beam(arguments)
    check_is_local(arguments)
    path = arguments.input[0] if arguments.input else None
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(open_lines(path))
        target = stack.enter_context(open_output(arguments.output))
        queue = open_review(arguments)
        model = _open(arguments)
        if arguments.split_sentences is not None:
            model = _by_sentence(model, arguments.split_sentences, arguments.run_path)
        counts = _translate_stream(model, source, target, arguments.scores, queue)
    console = make_console(stderr=True)
    if queue is not None:
        dropped = f" ({queue.dropped:,} not written)" if queue.dropped else ""
        say(console, f"{queue.count:,} doubtful translations: {arguments.review_file}{dropped}")
    report = counts.report()
    if report:
        say(console, report)
    if getattr(getattr(model, "report", None), "truncated", 0) is None:
        say(
            console,
            "truncated: unknown, because this SavedModel does not report it; export it again",
        )
    return 0


def _open(arguments: argparse.Namespace) -> LineTranslator:
    if arguments.engine == "ctranslate2":
        return open_ctranslate2(arguments.run_path, arguments.beams, arguments.quantize)
    return open_model(arguments.run_path, arguments.beams, quick_start=True)


def _by_sentence(model: LineTranslator, language: str, location: str) -> LineTranslator:
    """Wraps the model so that it translates each line sentence by sentence."""
    from keras_attn.lines.sentence_splitter import SentenceSplitter

    chosen = language or getattr(model, "source_language", None) or find_source_language(location)
    return SentenceSplitter(model, "en" if chosen is None else chosen)


def _translate_stream(
    model: LineTranslator,
    source: BinaryIO,
    target: BinaryIO,
    with_scores: bool,
    queue: ReviewQueue | None = None,
) -> LineCounts:
    """Translates chunk by chunk; each is written and flushed before the next is read."""
    counts = LineCounts()
    is_keyboard = source is getattr(sys.stdin, "buffer", None) and sys.stdin.isatty()
    console = make_console(stderr=True)
    if is_keyboard:
        say(console, "Type a line and press Enter; Ctrl-D ends.")
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    # A bar would disturb text that is typed or read on the terminal.
    is_shown = console.is_terminal and not is_keyboard and not _is_terminal(target)
    with Progress(*columns, console=console, transient=True, disable=not is_shown) as progress:
        task = progress.add_task("translating")
        for chunk in read_chunks(source, 1 if is_keyboard else CHUNK_LINES):
            target.write(_translate_chunk(model, chunk, with_scores, counts, queue))
            target.flush()
            progress.update(task, description=f"{counts.lines:,} lines translated")
    return counts


def _translate_chunk(
    model: LineTranslator,
    chunk: list[Line],
    with_scores: bool,
    counts: LineCounts,
    queue: ReviewQueue | None = None,
) -> bytes:
    """The output lines for a chunk of input lines, each with its original line end."""
    output = []
    translations = model.translate_detailed([line.text for line in chunk])
    if queue is not None:
        queue.take(translations)
    for line, translation in zip(chunk, translations, strict=True):
        text = counts.take(line.text, translation.text, bool(translation.truncated))
        score = f"{translation.score:.6f}\t" if with_scores else ""
        output.append(f"{score}{text}".encode() + line.end)
    return b"".join(output)


def _is_terminal(stream: BinaryIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:
        return False
