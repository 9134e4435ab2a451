"""`keras-attn average`: the mean of a run's last checkpoints as its translator (Section 6.1)."""

from __future__ import annotations

import argparse
from pathlib import Path

from keras_attn.cli.command_parser import (
    Subparsers,
    add_command,
    add_json_option,
    positive_integer,
)
from keras_attn.cli.output import make_console, print_json, say
from keras_attn.cli.process import load_tensorflow

_DESCRIPTION = """\
Averages the weights of a run's last checkpoints, as the paper does (Section 6.1), and puts the
mean into the run's translator. The checkpoints stay; `--last 1` takes the last one alone."""


def add_parser(subparsers: Subparsers) -> None:
    """Adds the command.

    Args:
        subparsers: what `add_subparsers` returned.
    """
    parser = add_command(
        subparsers,
        "average",
        run,
        "put the mean of the last checkpoints into the translator",
        _DESCRIPTION,
        ["keras-attn average runs/first --last 5"],
    )
    parser.add_argument("run_path", metavar="RUN", help="run directory")
    parser.add_argument(
        "--last",
        type=positive_integer,
        default=5,
        metavar="N",
        help="how many checkpoints (default: 5)",
    )
    add_json_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Averages checkpoints.

    Args:
        arguments: the parsed command line.

    Returns:
        int. The exit status.
    """
    if not (Path(arguments.run_path) / "run.json").is_file():
        raise ValueError(
            "`RUN` must be a directory that training wrote. Received: "
            f"{arguments.run_path}, which has no run.json."
        )
    load_tensorflow()
    from keras_attn.training import average_checkpoints, rewrite_translator
    from keras_attn.training.run_directory import RunDirectory

    directory = RunDirectory(arguments.run_path)
    directory.read_information()
    weights = average_checkpoints(directory.path, last=arguments.last)
    rewrite_translator(directory.path, weights)
    if arguments.json:
        print_json(
            {"weights": weights, "translator": directory.translator, "averaged": arguments.last}
        )
        return 0
    console = make_console()
    say(console, f"weights: {weights}, the mean of {arguments.last}")
    say(console, f"translator: {directory.translator}, which has them now")
    return 0
