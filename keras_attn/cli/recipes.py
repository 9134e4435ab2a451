"""`keras-attn recipes`: the built-in recipes, with cost and expected score."""

from __future__ import annotations

import argparse
import dataclasses

from rich.table import Table

from keras_attn.cli.command_parser import Command, CommandParser, add_json_option
from keras_attn.cli.output import make_console, print_json
from keras_attn.cli.process import load_tensorflow

COMMAND = Command(
    "recipes",
    "list the built-in recipes with cost and expected score",
    "Lists the built-in recipes, with what each trains, what it costs, and the score to expect.",
    ["keras-attn recipes", "keras-attn recipes --json"],
)


def add_arguments(parser: CommandParser) -> None:
    """Adds the arguments of the command."""
    add_json_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Lists the recipes."""
    load_tensorflow()
    from keras_attn.training import list_recipes

    recipes = list_recipes()
    if arguments.json:
        print_json([dataclasses.asdict(recipe) for recipe in recipes])
        return 0
    table = Table("recipe", "what it trains", "cost", "expected score", show_lines=True)
    table.columns[0].no_wrap = True
    for recipe in recipes:
        table.add_row(recipe.name, recipe.description, recipe.cost, recipe.expected_score)
    make_console().print(table)
    return 0
