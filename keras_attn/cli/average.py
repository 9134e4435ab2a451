"""`keras-attn average`: the mean of a run's checkpoints as its translator (Section 6.1)."""

from __future__ import annotations

import argparse
from pathlib import Path

from keras_attn.cli.command_parser import (
    Command,
    CommandParser,
    add_json_option,
    positive_integer,
)
from keras_attn.cli.output import make_console, print_json, say
from keras_attn.cli.process import load_tensorflow

_DESCRIPTION = """\
Averages the weights of several checkpoints of a run: the last ones, as in the paper (Section 6.1),
the best ones, or those of the given steps. The mean replaces the weights of the run's translator.
The checkpoints do not change. `--last 1` uses only the last checkpoint. A run with
`training.ema_decay` is refused, because its translator already has moving averages."""


COMMAND = Command(
    "average",
    "replace the translator's weights by the mean of checkpoints",
    _DESCRIPTION,
    [
        "keras-attn average runs/first --last 5",
        "keras-attn average runs/first --best 3",
        "keras-attn average runs/first --steps 800 900 1000",
    ],
)


def add_arguments(parser: CommandParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument("run_path", metavar="RUN", help="run directory")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--last",
        type=positive_integer,
        default=5,
        metavar="N",
        help="the last N checkpoints (default: 5)",
    )
    which.add_argument(
        "--best",
        type=positive_integer,
        metavar="N",
        help="the N best checkpoints, by the selection metric of the recipe",
    )
    which.add_argument(
        "--steps",
        type=positive_integer,
        nargs="+",
        metavar="STEP",
        help="the checkpoints of these steps",
    )
    add_json_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Averages checkpoints."""
    if not (Path(arguments.run_path) / "run.json").is_file():
        raise ValueError(
            "`RUN` must be a directory that training wrote. Received: "
            f"{arguments.run_path}, which has no run.json."
        )
    load_tensorflow()
    from keras_attn.training import Recipe, average_checkpoints, rewrite_translator
    from keras_attn.training.run.run_directory import RunDirectory

    directory = RunDirectory(arguments.run_path)
    directory.read_information()
    if directory.recipe.is_file() and Recipe.from_run(directory.path).training.ema_decay:
        raise ValueError(
            "`RUN` must be a run without `training.ema_decay`: its translator has the moving "
            f"averages already. Received: {arguments.run_path}."
        )
    weights = average_checkpoints(
        directory.path, last=arguments.last, best=arguments.best, steps=arguments.steps
    )
    rewrite_translator(directory.path, weights)
    count = len(arguments.steps) if arguments.steps else arguments.best or arguments.last
    if arguments.json:
        print_json({"weights": weights, "translator": directory.translator, "averaged": count})
        return 0
    console = make_console()
    say(console, f"weights: {weights}, the mean of {count} checkpoints")
    say(console, f"translator: {directory.translator}, with these weights")
    return 0
