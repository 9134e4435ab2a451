"""`keras-attn ensemble`: several models as one, which averages their probabilities."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from keras_attn.cli.command_parser import Command, CommandParser, add_json_option
from keras_attn.cli.model_location import (
    TRANSLATOR_HELP,
    find_recipe_file,
    find_translator,
    open_translator,
)
from keras_attn.cli.output import make_console, print_json, say
from keras_attn.system.free_directory import is_free

_DESCRIPTION = """\
Writes a translator that averages the probabilities of several models at each token. The models may
be of different kinds, and must have the same tokenizers: train them on the same text with the same
[tokenizer], and with different seeds or different [model] sections. The result is a saved
translator, for `translate`, `evaluate`, `score`, `export` and so on. Its settings and languages are
those of the first model. It is as slow and as large as its models together."""

_WEIGHTS = ("float32", "float16", "int8")

COMMAND = Command(
    "ensemble",
    "make one translator of several models",
    _DESCRIPTION,
    [
        "keras-attn ensemble runs/first runs/second runs/third --output ensemble",
        "keras-attn ensemble runs/first runs/second --output ensemble --weights float16",
    ],
)


def add_arguments(parser: CommandParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument(
        "run_paths", metavar="RUN", nargs="+", help=f"two or more: each a {TRANSLATOR_HELP}"
    )
    parser.add_argument(
        "--output", metavar="DIRECTORY", required=True, help="directory of the new translator"
    )
    parser.add_argument(
        "--weights",
        choices=_WEIGHTS,
        default="float32",
        metavar="DTYPE",
        help="how weights are stored: float32, float16 (half the size) or int8 (a quarter) "
        "(default: float32)",
    )
    add_json_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Makes an ensemble."""
    locations, output = arguments.run_paths, Path(arguments.output)
    if len(locations) < 2:
        raise ValueError(f"`RUN` must be given twice or more. Received: {locations[0]} alone.")
    if not is_free(output):
        raise ValueError(
            f"`--output` must be a new or an empty directory. Received: {output}, which is neither."
        )
    if len({find_translator(location).resolve() for location in locations}) < len(locations):
        raise ValueError(f"`RUN` must be different models. Received: {', '.join(locations)}.")
    translators = [open_translator(location) for location in locations]
    from keras_attn.translator import make_ensemble

    translator = make_ensemble(translators)
    translator.save(output, weights=arguments.weights)
    recipe = find_recipe_file(locations[0])
    if recipe is not None:  # commands read the languages there
        shutil.copyfile(recipe, output / "recipe.toml")
    count = translator.model.count_params()
    if arguments.json:
        print_json({"translator": output, "models": locations, "parameters": count})
        return 0
    console = make_console()
    say(console, f"models: {', '.join(locations)}")
    say(console, f"translator: {output}, with {count:,} parameters")
    return 0
