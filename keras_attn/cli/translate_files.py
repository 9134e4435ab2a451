"""`keras-attn translate --engine beam`: many files, with an Apache Beam pipeline."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
from collections.abc import Iterator

from keras_attn.cli.command_parser import CommandFailure, CommandParser, positive_integer
from keras_attn.cli.model_location import find_translator
from keras_attn.cli.output import make_console, say
from keras_attn.cli.process import load_tensorflow

ENGINES = ("local", "beam", "ctranslate2")
_DEBUG = "KERAS_ATTN_DEBUG"


def add_engine_options(parser: CommandParser) -> None:
    """Adds the options of bulk translation.

    Args:
        parser: the command's parser.
    """
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        default=ENGINES[0],
        metavar="ENGINE",
        help="local: TensorFlow, or LiteRT for its exports and for a shipped model without "
        "--beams; ctranslate2: for much text (extra `ctranslate2`); beam: for many files (extra "
        "`beam`); default: local",
    )
    parser.add_argument(
        "--quantize",
        choices=("int8",),
        metavar="int8",
        help="with ctranslate2: 8-bit weights, faster (default: float32)",
    )
    parser.add_argument(
        "--num-shards",
        type=positive_integer,
        metavar="N",
        help="with beam: number of output files (default: one per input file)",
    )
    parser.add_argument(
        "--line-ids",
        action="store_true",
        help="with beam: begin each line with its source file, a tab, its line number and a tab",
    )
    parser.pass_on("engine_options")


def check_is_local(arguments: argparse.Namespace) -> None:
    """Refuses options that only another engine has.

    Args:
        arguments: the parsed command line.

    Raises:
        ValueError: if there is more than one input, or an option of another engine.
    """
    if arguments.input is not None and len(arguments.input) > 1:
        raise ValueError(
            "`--input` must be one file, unless `--engine beam` is given. "
            f"Received: {' '.join(arguments.input)}."
        )
    for given, name in (
        (arguments.num_shards, "--num-shards"),
        (arguments.line_ids, "--line-ids"),
        (arguments.engine_options, "--"),
    ):
        if given:
            raise ValueError(
                f"`{name}` must be left out without `--engine beam`. Received: --engine "
                f"{arguments.engine}."
            )
    if arguments.quantize and arguments.engine != "ctranslate2":
        raise ValueError(
            "`--quantize` must be left out without `--engine ctranslate2`. Received: --engine "
            f"{arguments.engine}. For LiteRT, quantize with `keras-attn export --format litert`."
        )


def run_beam(arguments: argparse.Namespace) -> int:
    """Translates files with an Apache Beam pipeline.

    Args:
        arguments: the parsed command line.

    Returns:
        int. The exit status.

    Raises:
        ValueError: if an argument is wrong.
        CommandFailure: if the pipeline failed.
    """
    if not arguments.input or "-" in arguments.input:
        raise ValueError(
            "`--input` must name files or patterns with `--engine beam`. "
            f"Received: {' '.join(arguments.input or ['nothing'])}."
        )
    for given, name in (
        (arguments.split_sentences, "--split-sentences"),
        (arguments.review_below, "--review-below"),
        (arguments.review_file, "--review-file"),
        (arguments.quantize, "--quantize"),
    ):
        if given is not None:
            raise ValueError(f"`{name}` must be left out with `--engine beam`.")
    if arguments.output in (None, "-"):
        raise ValueError(
            "`--output` must be a prefix of file names with `--engine beam`. "
            f"Received: {arguments.output or 'nothing'}."
        )
    directory = find_translator(arguments.run_path)
    with _quiet_engine():
        load_tensorflow()
        from keras_attn.bulk import BulkError, translate_files

        try:
            with make_console(stderr=True).status("translating"):
                report = translate_files(
                    directory,
                    arguments.input,
                    arguments.output,
                    num_beams=arguments.beams,
                    num_shards=arguments.num_shards,
                    scores=arguments.scores,
                    line_ids=arguments.line_ids,
                    options=arguments.engine_options,
                )
        except BulkError as error:
            raise CommandFailure(str(error)) from error
    say(make_console(stderr=True), str(report))
    return 0


@contextlib.contextmanager
def _quiet_engine() -> Iterator[None]:
    """Hides the log of the engine; errors that end a run are exceptions."""
    before = logging.root.manager.disable
    if not os.environ.get(_DEBUG):
        logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
