"""`keras-attn score`: the log-probability that a model gives to each translation."""

from __future__ import annotations

import argparse
import math

from keras_attn.cli.command_parser import Command, CommandParser, add_json_option
from keras_attn.cli.model_location import (
    add_run_argument,
    find_translator,
    open_translator,
)
from keras_attn.cli.output import make_console, print_json, say
from keras_attn.cli.parallel_files import read_parallel_files

COMMAND = Command(
    "score",
    "log-probability of given translations, line by line",
    "Prints for each line the natural logarithm of the probability that the model gives to the\n"
    "whole target, end token included. For an empty source, the empty target has probability 1. A\n"
    "source that is too long is truncated, as in translation. The command reports on standard\n"
    "error how many lines were empty or truncated.",
    ["keras-attn score runs/phrasebook --source test.en --target test.de"],
)


def add_arguments(parser: CommandParser) -> None:
    """Adds the arguments of the command."""
    add_run_argument(parser)
    parser.add_argument("--source", required=True, metavar="FILE", help="one sentence per line")
    parser.add_argument("--target", required=True, metavar="FILE", help="their translations")
    add_json_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Scores lines."""
    find_translator(arguments.run_path)
    sources, targets = read_parallel_files(
        {"--source": [arguments.source], "--target": [arguments.target]}
    )
    translator = open_translator(arguments.run_path)
    with make_console(stderr=True).status(f"scoring {len(sources):,} sentences"):
        values = translator.score(sources, targets)
    report = translator.report
    if arguments.json:
        print_json(
            {
                "sentences": len(values),
                "sum": math.fsum(values),
                "empty": report.empty,
                "truncated": report.truncated,
                "log_probabilities": values,
            }
        )
        return 0
    for value in values:
        print(f"{value:.6f}")
    if report.empty or report.truncated:
        say(make_console(stderr=True), str(report))
    return 0
