"""`keras-attn new`: examines a corpus and writes a recipe that fits it and the time limit."""

from __future__ import annotations

import argparse
import dataclasses
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from keras_attn.cli.command_parser import Command, CommandParser, add_json_option
from keras_attn.cli.output import make_console, print_json, say
from keras_attn.cli.process import load_tensorflow, program
from keras_attn.cli.tsv_columns import add_columns_option, chosen_columns
from keras_attn.lines.open_text import without_compression

if TYPE_CHECKING:
    from keras_attn.data import Corpus
    from keras_attn.training import NewRecipe

_DESCRIPTION = """\
Writes a recipe for your sentence pairs. The command leaves out pairs that would teach a model
nothing or something wrong, and says how many and why. It holds out pairs for validation and test
that share no sentence with the others. It chooses the vocabulary, model size and regularization by
rules (docs/own_data.md), times ten updates, and writes a commented recipe with its expected cost.
The pairs go to NAME_data, beside NAME.toml."""


_MINUTES = 60.0

COMMAND = Command(
    "new",
    "write a recipe for your own sentence pairs",
    _DESCRIPTION,
    [
        "keras-attn new my.toml --source train.en --target train.de --minutes 30",
        "keras-attn new my.toml --tsv pairs.tsv --columns 2 4",
        "keras-attn new my.toml --tfds ted_hrlr_translate/pt_to_en --languages pt en",
        "keras-attn train my.toml --output runs/my",
    ],
)


def add_arguments(parser: CommandParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument("recipe", metavar="RECIPE.toml", help="the recipe to write")
    add_corpus_options(parser)
    add_json_option(parser)


def add_corpus_options(parser: CommandParser) -> None:
    """Adds the options for the corpus and the training time.

    Args:
        parser: CommandParser.
    """
    parser.add_argument("--source", metavar="FILE", help="sources, one per line")
    parser.add_argument("--target", metavar="FILE", help="their translations, line by line")
    parser.add_argument(
        "--tsv", metavar="FILE", help="instead of both: sources and translations in two columns"
    )
    add_columns_option(parser)
    parser.add_argument(
        "--tfds", metavar="NAME", help="instead of files: a corpus of TensorFlow Datasets"
    )
    parser.add_argument(
        "--languages",
        nargs=2,
        metavar=("SOURCE", "TARGET"),
        help="language codes (default: the suffixes of the files)",
    )
    parser.add_argument(
        "--minutes", type=float, help=f"how long training may take (default: {_MINUTES:.0f})"
    )


def run(arguments: argparse.Namespace) -> int:
    """Writes a recipe."""
    load_tensorflow()
    made = make_recipe(arguments, arguments.recipe)
    if arguments.json:
        print_json({**dataclasses.asdict(made), "recipe": made.recipe.to_table()})
        return 0
    output = make_console()
    for line in made.lines():
        say(output, line)
    run_path = f"runs/{made.path.stem}"
    say(output, f"next: {program()} train {shlex.quote(str(made.path))} --output {run_path}")
    return 0


def make_recipe(arguments: argparse.Namespace, path: str) -> NewRecipe:
    """Writes a recipe for the corpus of the options, and shows its progress.

    Args:
        arguments: the parsed command line.
        path: str. The recipe to write.

    Returns:
        NewRecipe.

    Raises:
        ValueError: if the options name no corpus or several, or something cannot be read or
            written.
    """
    from keras_attn.training import new_recipe

    console = make_console(stderr=True)
    minutes = _MINUTES if arguments.minutes is None else arguments.minutes
    corpus = read_corpus(arguments)
    return new_recipe(corpus, Path(path), minutes, show=lambda line: say(console, line))


def _language(path: Path) -> str:
    """The suffix of a file, before that of a compressed one: en for train.en.gz."""
    return without_compression(path).suffix[1:]


def read_corpus(arguments: argparse.Namespace) -> Corpus:
    """Reads the corpus that the options name.

    Args:
        arguments: the parsed command line.

    Returns:
        Corpus, with language codes.

    Raises:
        ValueError: if the options name no corpus or several, or it cannot be read.
    """
    from keras_attn.data import load_tfds, read_text_pair, read_tsv

    pair = (arguments.source, arguments.target)
    given = [any(pair), arguments.tsv is not None, arguments.tfds is not None]
    if sum(given) != 1 or (any(pair) and not all(pair)):
        raise ValueError(
            "`--source` and `--target`, or `--tsv`, or `--tfds` must be given, and only one of "
            "these."
        )
    source_column, target_column = chosen_columns(arguments)
    if arguments.tfds is not None:
        if arguments.languages is None:
            raise ValueError("`--languages` must be given with `--tfds`. Received: none.")
        return load_tfds(arguments.tfds, "train", *arguments.languages)
    if arguments.tsv is not None:
        corpus = read_tsv(arguments.tsv, source_column, target_column)
        languages = arguments.languages or ["source", "target"]
    else:
        corpus = read_text_pair(*pair)
        languages = arguments.languages or [_language(Path(path)) for path in pair]
    return dataclasses.replace(corpus, source_language=languages[0], target_language=languages[1])
