"""`keras-attn demo`: the whole workflow on the built-in corpus."""

from __future__ import annotations

import argparse
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from keras_attn.cli.attention_picture import draw_attention
from keras_attn.cli.command_parser import Command, CommandFailure, CommandParser, add_json_option
from keras_attn.cli.output import make_console, print_json, say
from keras_attn.cli.process import HEAP_HELP, load_tensorflow, program
from keras_attn.cli.recipe_options import add_set_option

if TYPE_CHECKING:
    from keras_attn.training import Recipe, TrainingResult
    from keras_attn.translator import Translator

RECIPE = "phrasebook_tiny"
RUN, SAVED_MODEL = "runs/phrasebook", "saved_models/phrasebook"
SHOWN_SENTENCES = 8

_DESCRIPTION = f"""\
Trains a tiny Transformer from scratch on built-in English-German sentences, translates and scores
sentences that it has not seen, draws an attention map, exports a SavedModel and verifies it. The
demo downloads nothing, and takes minutes on a laptop.

The demo overwrites nothing. If the run directory exists, it uses the next free name, {RUN}-2
and so on.

{HEAP_HELP}"""


COMMAND = Command(
    "demo",
    "train, translate, score and export on the built-in corpus",
    _DESCRIPTION,
    ["keras-attn demo", "keras-attn demo --output runs/short --set training.max_steps=200"],
)


def add_arguments(parser: CommandParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument(
        "--output", metavar="DIR", default=RUN, help=f"the run directory (default: {RUN})"
    )
    parser.add_argument(
        "--saved-model",
        metavar="DIR",
        default=SAVED_MODEL,
        help=f"where the next SavedModel version goes (default: {SAVED_MODEL})",
    )
    add_set_option(parser)
    add_json_option(parser)
    parser.set_defaults(keeps_heap=True)


def run(arguments: argparse.Namespace) -> int:
    """Runs the demonstration.

    Args:
        arguments: the parsed command line.

    Returns:
        int. The exit status: 1 if the exported model failed its verification.
    """
    started = time.monotonic()
    console = make_console(stderr=arguments.json)
    output = _free_directory(Path(arguments.output))
    if output != Path(arguments.output):
        say(console, f"{arguments.output} exists and is kept; this run goes to {output}")
    result = _train(arguments.set, output, Path(arguments.saved_model))
    sentence = _show_translations(result.translator, console)
    test = result.report["test"]
    say(
        console,
        f"BLEU {test['bleu']:.1f}, chrF {test['chrf']:.1f} on {test['sentences']:,} sentences "
        f"it has never seen  ({test['signatures']['bleu']})",
    )
    picture = _draw(result.translator, sentence, output / "attention.png", console)
    version, verified = _export(result.translator, arguments.saved_model, console)
    seconds = time.monotonic() - started
    say(console, f"done in {seconds:.0f} seconds")
    if result.report["was_cut"]:
        say(
            console,
            f"the time limit ended training after {result.steps:,} updates; the remaining updates "
            "make a better model. Continue with:",
        )
        say(
            console,
            f"  {program()} train --output {shlex.quote(str(output))} "
            f"{result.report['rest_options']}",
        )
    if version is not None and verified:
        _show_next_commands(output, version, sentence, picture is not None, console)
    if arguments.json:
        print_json(
            {
                "bleu": test["bleu"],
                "chrf": test["chrf"],
                "sentences": test["sentences"],
                "run": output,
                "saved_model": version,
                "verified": verified,
                "attention_map": picture,
                "steps": result.steps,
                "was_cut": result.report["was_cut"],
                "seconds": seconds,
            }
        )
    return 0 if verified else 1


def _free_directory(wanted: Path) -> Path:
    """Returns `wanted` if it is new or empty, else the first free name with a number."""
    path, number = wanted, 1
    while path.exists() and not (path.is_dir() and not any(path.iterdir())):
        number += 1
        path = wanted.with_name(f"{wanted.name}-{number}")
    return path


def _train(settings: list[tuple[str, str]], output: Path, saved_model: Path) -> TrainingResult:
    load_tensorflow()
    from keras_attn.serving.version_directories import check_model_directory
    from keras_attn.training import NonFiniteLossError, Recipe, train

    recipe = Recipe.named(RECIPE).override(dict(settings))
    _check(recipe)
    check_model_directory(saved_model)  # now, not after minutes of training
    try:
        return train(recipe, output, console=make_console(stderr=True))
    except NonFiniteLossError as error:
        raise CommandFailure(str(error)) from error


def _check(recipe: Recipe) -> None:
    """Refuses test data other than the phrasebook's, and searches that cannot be exported."""
    if recipe.data.kind != "phrasebook" or recipe.data.test != "test":
        raise ValueError(
            "`--set` must not change `data.kind` and `data.test` of the demo. Received: "
            f"{recipe.data.kind!r} and {recipe.data.test!r}. For other data, use "
            "`keras-attn train`."
        )
    if recipe.decoding.class_name == "RandomSampling":
        raise ValueError(
            "`--set decoding.class_name` must be a search that can be exported, such as "
            "BeamSearch. Received: RandomSampling."
        )


def _show_translations(translator: Translator, console: Console) -> str:
    """Prints held-out sentences with their translations; returns one for the attention map."""
    from keras_attn.data import phrasebook

    corpus = phrasebook("test", SHOWN_SENTENCES)
    translations = translator.translate(list(corpus.sources))
    table = Table("source", "translation", "reference", "", title="sentences it has never seen")
    for (source, reference), translation in zip(corpus, translations, strict=True):
        table.add_row(source, translation, reference, "=" if translation == reference else "")
    console.print(table)
    return max(corpus.sources, key=len)


def _draw(translator: Translator, sentence: str, output: Path, console: Console) -> Path | None:
    """Draws the attention map, if matplotlib is installed."""
    try:
        draw_attention(translator, sentence, output)
    except ImportError as error:
        say(console, f"no attention map: {error}")
        return None
    say(console, f"attention map: {output}")
    return output


def _export(translator: Translator, directory: str, console: Console) -> tuple[Path | None, bool]:
    """Exports the next version and verifies it again at its final path."""
    from keras_attn.serving import ExportError, export_saved_model, verify_saved_model

    say(console, "exporting and verifying a SavedModel")
    try:
        version = export_saved_model(translator, directory)
    except ExportError as error:
        say(make_console(stderr=True), f"not exported: {error}")
        return None, False
    report = verify_saved_model(version)
    for line in report.lines():
        say(console, line)
    return version, report.passed


def _show_next_commands(
    output: Path, version: Path, sentence: str, has_pictures: bool, console: Console
) -> None:
    """Prints commands that work as printed, with the files that were just made."""
    keras_attn, echo = program(), f"echo {shlex.quote(sentence)} |"
    run, picture = shlex.quote(str(output)), shlex.quote(str(output / "history.png"))
    say(console, "now try:")
    say(console, f"  {echo} {keras_attn} translate {run}")
    say(console, f"  {echo} {keras_attn} translate {shlex.quote(str(version))} --scores")
    if has_pictures:
        say(console, f"  {keras_attn} plot history {run} --output {picture}")
    else:
        say(console, f"  {keras_attn} verify {shlex.quote(str(version))}")
