"""`keras-attn train`: from a recipe to a run directory."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from keras_attn.cli.command_failure import CommandFailure
from keras_attn.cli.command_parser import Subparsers, add_command, add_json_option
from keras_attn.cli.output import make_console, print_json, say
from keras_attn.cli.process import HEAP_HELP, load_tensorflow, program
from keras_attn.cli.recipe_options import add_set_option

if TYPE_CHECKING:
    from keras_attn.training import Recipe

_DESCRIPTION = f"""\
Trains the model of a recipe: data, tokenizer, model, schedule and limits are all in it.

The run directory holds the recipe as resolved, tokenizer, checkpoints, translator, history and
report. An interrupted run (Ctrl-C) keeps its checkpoints; --resume continues it, and takes the
run's own recipe if none is named.

{HEAP_HELP}"""


def add_parser(subparsers: Subparsers) -> None:
    """Adds the command.

    Args:
        subparsers: what `add_subparsers` returned.
    """
    parser = add_command(
        subparsers,
        "train",
        run,
        "train the model of a recipe",
        _DESCRIPTION,
        [
            "keras-attn train phrasebook_tiny --output runs/first",
            "keras-attn train my_recipe.toml --output runs/mine --set training.max_steps=100",
            "keras-attn train --output runs/first --resume",
        ],
    )
    parser.add_argument(
        "recipe",
        metavar="RECIPE",
        nargs="?",
        help="built-in recipe (see `keras-attn recipes`) or .toml file",
    )
    parser.add_argument("--output", required=True, metavar="RUN", help="the run directory to write")
    parser.add_argument("--resume", action="store_true", help="continue the run in RUN")
    add_set_option(parser)
    add_json_option(parser)
    parser.set_defaults(keeps_heap=True)


def run(arguments: argparse.Namespace) -> int:
    """Trains.

    Args:
        arguments: the parsed command line.

    Returns:
        int. The exit status.
    """
    if arguments.recipe is None and not arguments.resume:
        raise ValueError(
            "`RECIPE` must be given to start a run: a name of `keras-attn recipes`, or a .toml "
            "file. Received: none."
        )
    load_tensorflow()
    from keras_attn.training import NonFiniteLossError, train

    try:
        result = train(
            _recipe(arguments),
            arguments.output,
            resume=arguments.resume,
            console=make_console(stderr=True),
        )
    except NonFiniteLossError as error:
        raise CommandFailure(str(error)) from error
    if arguments.json:
        print_json({"run": result.run, **result.report})
        return 0
    console, place = make_console(), shlex.quote(str(result.run))
    test = result.report.get("test")
    if test is not None:
        say(console, f"test BLEU {test['bleu']:.1f}, chrF {test['chrf']:.1f}")
    say(console, f"run: {result.run} ({result.steps:,} steps, {result.seconds:,.0f} s)")
    say(console, f"next: {program()} translate {place}")
    return 0


def _recipe(arguments: argparse.Namespace) -> Recipe | None:
    """The recipe named, or the run's own, with the changes asked for; None: the run's as it is."""
    from keras_attn.training import Recipe

    if arguments.recipe is not None:
        return Recipe.named(arguments.recipe).override(dict(arguments.set))
    if not arguments.set:
        return None
    return Recipe.from_toml(Path(arguments.output) / "recipe.toml").override(dict(arguments.set))
