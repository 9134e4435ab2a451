"""`keras-attn train`: trains the model of a recipe and writes a run directory."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from typing import TYPE_CHECKING

from keras_attn.cli.command_parser import Command, CommandFailure, CommandParser, add_json_option
from keras_attn.cli.new import add_corpus_options, make_recipe
from keras_attn.cli.output import make_console, print_json, say
from keras_attn.cli.process import HEAP_HELP, load_tensorflow, program
from keras_attn.cli.recipe_options import add_set_option

if TYPE_CHECKING:
    from keras_attn.training import Recipe

_IS_WORKER = "KERAS_ATTN_WORKER"
_NEW_RECIPE = "KERAS_ATTN_NEW_RECIPE"  # for workers: what their parent made of the corpus

_DESCRIPTION = f"""\
Trains the model of a recipe, which sets the data, tokenizer, model, schedule and limits.

The run directory contains the resolved recipe, tokenizer, checkpoints, translator, history and
report. Ctrl-C and SIGTERM save a checkpoint. --resume continues a run that was interrupted or
killed, and reaches the same weights as without the interruption. Without RECIPE, --resume uses the
recipe of the run. With --source and --target, --tsv or --tfds in place of RECIPE, the command first
does what `keras-attn new` does, and writes RUN.toml and RUN_data beside the run.

To train on several machines, start this command on each of them, with the variable TF_CONFIG, which
cluster managers set. All machines need the same RUN and must be able to read it. The first worker
writes to it. --workers N starts N workers on this machine.

{HEAP_HELP}"""


COMMAND = Command(
    "train",
    "train the model of a recipe",
    _DESCRIPTION,
    [
        "keras-attn train phrasebook_tiny --output runs/first",
        "keras-attn train my_recipe.toml --output runs/mine --set training.max_steps=100",
        "keras-attn train --source train.en --target train.de --minutes 30 --output runs/mine",
        "keras-attn train --output runs/first --resume",
        "keras-attn train multi30k_en_de --output runs/two --workers 2",
        "keras-attn train wmt14_en_de_base --dry-run --devices 8 --tflops 9.5",
    ],
)


def add_arguments(parser: CommandParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument(
        "recipe",
        metavar="RECIPE",
        nargs="?",
        help="built-in recipe (see `keras-attn recipes`) or .toml file",
    )
    add_corpus_options(parser)
    parser.add_argument("--output", metavar="RUN", help="the run directory to write")
    parser.add_argument("--resume", action="store_true", help="continue the run in RUN")
    parser.add_argument(
        "--workers", type=int, default=1, metavar="N", help="train with N workers on this machine"
    )
    parser.add_argument(
        "--accept-changed-data",
        action="store_true",
        help="continue a run although its pairs have changed",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="do everything except training, and print its expected cost; writes nothing",
    )
    parser.add_argument(
        "--tflops",
        type=float,
        metavar="T",
        help="with --dry-run: also print the time on devices with T * 10^12 operations per second",
    )
    parser.add_argument(
        "--devices", type=int, metavar="N", help="with --tflops: the number of devices (default: 1)"
    )
    parser.add_argument(
        "--price", type=float, metavar="P", help="with --tflops: the price of one device per hour"
    )
    add_set_option(parser)
    add_json_option(parser)
    parser.set_defaults(keeps_heap=True)


def run(arguments: argparse.Namespace) -> int:
    """Trains."""
    has_corpus = any((arguments.source, arguments.target, arguments.tsv, arguments.tfds))
    _check_options(arguments, has_corpus)
    if arguments.dry_run:
        return _dry_run(arguments)
    if arguments.output is None:
        raise ValueError("`--output` must name the run directory to write. Received: none.")
    if has_corpus and (arguments.recipe is not None or arguments.resume):
        raise ValueError(
            "`RECIPE` and `--resume` must be left out if `--source`, `--tsv` or `--tfds` name a "
            "corpus."
        )
    if arguments.recipe is None and not (arguments.resume or has_corpus):
        raise ValueError(
            "`RECIPE` must be given to start a run: a name of `keras-attn recipes`, or a .toml "
            "file. Received: none."
        )
    if arguments.workers < 1:
        raise ValueError(f"`--workers` must be at least 1. Received: {arguments.workers}")
    if arguments.workers > 1 and _IS_WORKER not in os.environ:
        return _start_workers(arguments, has_corpus)
    load_tensorflow()
    from keras_attn.training import CheckpointError, NonFiniteLossError, WorkerLostError, train

    if has_corpus:
        arguments.recipe = os.environ.get(_NEW_RECIPE) or _new_recipe(arguments)
    try:
        result = train(
            _recipe(arguments),
            arguments.output,
            resume=arguments.resume,
            console=make_console(stderr=True),
            accept_changed_data=arguments.accept_changed_data,
        )
    except (CheckpointError, NonFiniteLossError, WorkerLostError) as error:
        raise CommandFailure(str(error)) from error
    if arguments.json:
        print_json({"run": result.run, **result.report})
        return 0
    if os.environ.get(_IS_WORKER, "0") != "0":
        return 0  # only the first worker prints the result
    console, run = make_console(), shlex.quote(str(result.run))
    test = result.report.get("test")
    if test is not None:
        say(console, f"test BLEU {test['bleu']:.1f}, chrF {test['chrf']:.1f}")
    say(console, f"run: {result.run} ({result.steps:,} steps, {result.seconds:,.0f} s)")
    say(console, f"next: {program()} translate {run}")
    return 0


def _check_options(arguments: argparse.Namespace, has_corpus: bool) -> None:
    """Refuses options that would have no effect."""
    if arguments.columns is not None and not has_corpus:
        raise ValueError(
            "`--columns` must be given with --tsv. With a recipe, use --set, such as --set "
            "data.source_column=1; recipes count columns from 0."
        )
    for option in ("minutes", "languages"):
        if getattr(arguments, option) is not None and not has_corpus:
            raise ValueError(
                f"`--{option}` must be given with --source and --target, --tsv or --tfds. With a "
                "recipe, use --set, such as --set training.max_minutes=30."
            )
    for option in ("tflops", "devices", "price"):
        if getattr(arguments, option) is not None and not arguments.dry_run:
            raise ValueError(f"`--{option}` must be given with --dry-run.")
    needs_run = has_corpus or arguments.resume or arguments.output is not None
    needs_run = needs_run or arguments.workers != 1 or arguments.accept_changed_data
    if arguments.dry_run and (arguments.recipe is None or needs_run):
        raise ValueError(
            "`--dry-run` must be given with RECIPE, and without options of a run or of a corpus: "
            "it writes nothing."
        )
    if has_corpus and "TF_CONFIG" in os.environ and _IS_WORKER not in os.environ:
        raise ValueError(
            "A corpus must be given to one machine only. Run `keras-attn new` there, and give its "
            "recipe to all workers."
        )


def _dry_run(arguments: argparse.Namespace) -> int:
    """Prints what training would cost."""
    for option in ("tflops", "devices", "price"):
        value = getattr(arguments, option)
        if value is not None and not value > 0:
            raise ValueError(f"`--{option}` must be above zero. Received: {value:g}.")
    if arguments.tflops is None and (arguments.devices, arguments.price) != (None, None):
        raise ValueError("`--devices` and `--price` must be given with --tflops.")
    load_tensorflow()
    from keras_attn.training import Recipe, dry_run, hardware_line

    recipe = Recipe.named(arguments.recipe).override(dict(arguments.set))
    result = dry_run(recipe, make_console(stderr=True))
    hardware = (arguments.tflops, arguments.devices or 1, arguments.price)
    if arguments.json:
        cost = None if arguments.tflops is None else result.cost_on(*hardware)._asdict()
        print_json({**result.to_dict(), "on_other_hardware": cost})
        return 0
    console = make_console()
    for line in result.lines():
        say(console, line)
    if arguments.tflops is not None:
        say(console, hardware_line(result, *hardware))
    return 0


def _new_recipe(arguments: argparse.Namespace) -> str:
    """Writes a recipe for the corpus of the options beside the run, and returns its path."""
    from keras_attn.training.run.run_directory import RunDirectory

    run = RunDirectory(arguments.output)
    run.check_may_train(resume=False)
    run.path.absolute().parent.mkdir(parents=True, exist_ok=True)
    path, console = f"{arguments.output.rstrip('/')}.toml", make_console(stderr=True)
    if os.path.exists(path):  # a start that was interrupted before its first checkpoint, perhaps
        raise ValueError(
            f"`--output` must be a name for which there is no recipe yet. Received: "
            f"{arguments.output}, but {path} exists. If it is of these pairs, continue with "
            f"`{program()} train {shlex.quote(path)} --output {shlex.quote(arguments.output)}`; "
            "else choose another name."
        )
    for line in make_recipe(arguments, path).lines():
        say(console, line)
    return path


def _start_workers(arguments: argparse.Namespace, has_corpus: bool) -> int:
    """Runs this command line in several workers, and waits for them."""
    if "TF_CONFIG" in os.environ:
        raise ValueError(
            "`--workers` must be left out if TF_CONFIG already names the workers. "
            f"Received: --workers {arguments.workers}, TF_CONFIG={os.environ['TF_CONFIG']}"
        )
    from keras_attn.cli.local_workers import run_local_workers

    if has_corpus:  # one recipe for all workers
        load_tensorflow()
        os.environ[_NEW_RECIPE] = _new_recipe(arguments)
    return run_local_workers([sys.executable, *sys.orig_argv[1:]], arguments.workers)


def _recipe(arguments: argparse.Namespace) -> Recipe | None:
    """The named recipe or the run's, with the changes of `--set`; None for the run's unchanged."""
    from keras_attn.training import Recipe

    if arguments.recipe is not None:
        return Recipe.named(arguments.recipe).override(dict(arguments.set))
    if not arguments.set:
        return None
    return Recipe.from_run(arguments.output).override(dict(arguments.set))
