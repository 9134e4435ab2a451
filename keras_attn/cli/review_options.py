"""The options of `keras-attn translate` that keep doubtful translations for review."""

from __future__ import annotations

import argparse

from keras_attn.cli.command_parser import CommandParser
from keras_attn.cli.output import check_may_write
from keras_attn.lines import ReviewQueue


def add_review_options(parser: CommandParser) -> None:
    """Adds the options."""
    parser.add_argument(
        "--review-below",
        type=float,
        metavar="CONFIDENCE",
        help="write translations with a confidence below this (0 to 1) to --review-file; first run "
        "`keras-attn calibrate`",
    )
    parser.add_argument(
        "--review-file",
        metavar="FILE",
        help="append JSON lines with source, translation, confidence and an empty correction to "
        "this file; a person fills in the corrections, and `keras-attn review` reads them",
    )


def open_review(arguments: argparse.Namespace) -> ReviewQueue | None:
    """The queue that the options ask for.

    Args:
        arguments: the parsed arguments.

    Returns:
        `ReviewQueue` or None.

    Raises:
        ValueError: if only one option is given, a number is out of range, or the file cannot be
            written or is the input or the output.
    """
    below, path = arguments.review_below, arguments.review_file
    if below is None and path is None:
        return None
    if arguments.split_sentences is not None:
        raise ValueError("`--review-below` must be given without --split-sentences.")
    if below is None or path is None:
        raise ValueError("`--review-below` and `--review-file` must be given together.")
    if not 0 < below <= 1:
        raise ValueError(f"`--review-below` must be above 0 and at most 1. Received: {below}.")
    check_may_write(path, "--review-file", [*(arguments.input or []), arguments.output])
    return ReviewQueue(path, below)
