"""The option `--columns`: which two columns of a TSV file hold sources and translations."""

from __future__ import annotations

import argparse

from keras_attn.cli.command_parser import CommandParser


def add_columns_option(parser: CommandParser) -> None:
    """Adds `--columns SOURCE TARGET`, for a command that has `--tsv`.

    Args:
        parser: CommandParser.
    """
    parser.add_argument(
        "--columns",
        nargs=2,
        type=int,
        metavar=("SOURCE", "TARGET"),
        help="with --tsv: the numbers of the two columns, from 1 (default: 1 2)",
    )


def chosen_columns(arguments: argparse.Namespace) -> tuple[int, int]:
    """Returns the two columns, counted from 0 as in Python and in recipes.

    Args:
        arguments: the parsed command line.

    Returns:
        pair of int. The source's column and the target's.

    Raises:
        ValueError: if there is no TSV file, or a column is not possible.
    """
    columns = arguments.columns or (1, 2)
    if arguments.columns is not None and not arguments.tsv:
        raise ValueError("`--columns` must be given with --tsv. Received: without.")
    if min(columns) < 1 or columns[0] == columns[1]:
        raise ValueError(
            "`--columns` must be two different numbers, counted from 1. "
            f"Received: {columns[0]} {columns[1]}."
        )
    return columns[0] - 1, columns[1] - 1
