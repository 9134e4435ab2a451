"""`keras-attn score`: how probable given translations are to a model."""

from __future__ import annotations

import argparse
import math

from keras_attn.cli.command_parser import Subparsers, add_command, add_json_option
from keras_attn.cli.model_location import TRANSLATOR_HELP, find_translator, open_translator
from keras_attn.cli.output import print_json
from keras_attn.cli.parallel_files import read_parallel_files


def add_parser(subparsers: Subparsers) -> None:
    """Adds the command.

    Args:
        subparsers: what `add_subparsers` returned.
    """
    parser = add_command(
        subparsers,
        "score",
        run,
        "log-probability of given translations, line by line",
        "Prints for each line the natural logarithm of the probability that the model gives to\n"
        "the whole target, its end included. An empty source has the empty target for certain.",
        ["keras-attn score runs/phrasebook --source test.en --target test.de"],
    )
    parser.add_argument("run_path", metavar="RUN", help=TRANSLATOR_HELP)
    parser.add_argument("--source", required=True, metavar="FILE", help="one sentence a line")
    parser.add_argument("--target", required=True, metavar="FILE", help="their translations")
    add_json_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Scores lines.

    Args:
        arguments: the parsed command line.

    Returns:
        int. The exit status.
    """
    find_translator(arguments.run_path)
    sources, targets = read_parallel_files(
        {"--source": [arguments.source], "--target": [arguments.target]}
    )
    values = open_translator(arguments.run_path).score(sources, targets)
    if arguments.json:
        print_json(
            {"sentences": len(values), "sum": math.fsum(values), "log_probabilities": values}
        )
        return 0
    for value in values:
        print(f"{value:.6f}")
    return 0
