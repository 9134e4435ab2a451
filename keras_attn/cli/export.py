"""`keras-attn export`: writes a model for TensorFlow Serving or LiteRT and verifies it."""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path

from keras_attn.cli.command_parser import Command, CommandFailure, CommandParser, add_json_option
from keras_attn.cli.model_location import (
    add_run_argument,
    find_source_language,
    find_translator,
    open_translator,
)
from keras_attn.cli.output import make_console, print_json, say
from keras_attn.cli.process import load_tensorflow, program
from keras_attn.lines import read_lines

_DESCRIPTION = """\
Writes the translator of a run as a SavedModel for an unmodified TensorFlow Serving, which takes and
returns strings. The command loads the SavedModel as a server does, and checks that it translates as
the translator does. Then one rename makes it the next version directory: DIRECTORY/1, DIRECTORY/2
and so on.

With `--format litert`, DIRECTORY becomes a model for LiteRT. `keras-attn translate DIRECTORY` then
starts without TensorFlow (extra `litert`), and phones can run the same files."""


FORMATS = ("saved_model", "litert")

COMMAND = Command(
    "export",
    "write and verify a model for TensorFlow Serving or LiteRT",
    _DESCRIPTION,
    [
        "keras-attn export runs/phrasebook saved_models/phrasebook",
        "keras-attn export runs/phrasebook phrasebook_litert --format litert --quantize int8",
    ],
)


def add_arguments(parser: CommandParser) -> None:
    """Adds the arguments of the command."""
    add_run_argument(parser)
    parser.add_argument(
        "directory",
        metavar="DIRECTORY",
        help="model directory, such as saved_models/NAME; a new directory for LiteRT",
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default=FORMATS[0],
        metavar="FORMAT",
        help="saved_model, for TensorFlow Serving, or litert (default: saved_model)",
    )
    parser.add_argument(
        "--quantize",
        choices=("int8",),
        metavar="int8",
        help="with --format litert: 8-bit weights, a third of the size",
    )
    parser.add_argument(
        "--reference",
        metavar="FILE",
        help="lines like those that the model is made for, but not from its training text; "
        "`keras-attn monitor` compares with their statistics",
    )
    parser.add_argument(
        "--xla",
        action="store_true",
        help="compile the search with XLA, for a server that is started with "
        "--xla_cpu_compilation_enabled; other servers cannot run it",
    )
    add_json_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Exports a translator."""
    _check_options(arguments)
    if arguments.format == "litert":
        return _export_litert(arguments)
    lines = read_lines(arguments.reference, "--reference") if arguments.reference else None
    if lines is not None and not lines:
        raise ValueError(
            f"`--reference` must have a line. Received: {arguments.reference}, an empty file."
        )
    card = _model_card(find_translator(arguments.run_path))
    translator = open_translator(arguments.run_path)
    from keras_attn.serving import ExportError, export_saved_model

    try:
        with make_console(stderr=True).status("exporting and verifying"):
            version = export_saved_model(
                translator,
                arguments.directory,
                reference_texts=lines,
                model_card=card,
                xla=arguments.xla,
            )
    except ExportError as error:
        raise CommandFailure(str(error)) from error
    if arguments.json:
        print_json({"saved_model": version, "version": int(version.name), "verified": True})
        return 0
    console = make_console()
    say(console, f"saved model: {version}, verified")
    say(console, f"next: {program()} translate {shlex.quote(str(version))}")
    return 0


def _check_options(arguments: argparse.Namespace) -> None:
    """Raises ValueError for an option of the other format."""
    options = {
        "saved_model": (("--reference", arguments.reference), ("--xla", arguments.xla)),
        "litert": (("--quantize", arguments.quantize),),
    }
    for name, given in (
        option for form, others in options.items() if form != arguments.format for option in others
    ):
        if given:
            raise ValueError(
                f"`{name}` must be left out with this format. Received: --format "
                f"{arguments.format}."
            )


def _export_litert(arguments: argparse.Namespace) -> int:
    translator = open_translator(arguments.run_path)
    from keras_attn.interop import LiteRTMismatchError, export_litert

    try:
        with make_console(stderr=True).status("exporting and verifying"):
            directory = export_litert(
                translator,
                arguments.directory,
                quantize=arguments.quantize,
                source_language=find_source_language(arguments.run_path),
            )
    except LiteRTMismatchError as error:
        raise CommandFailure(str(error)) from error
    if arguments.json:
        print_json({"litert": directory, "quantize": arguments.quantize, "verified": True})
        return 0
    console = make_console()
    say(console, f"model for LiteRT: {directory}, verified")
    say(console, f"next: {program()} translate {shlex.quote(str(directory))}")
    return 0


def _model_card(translator: Path) -> str | None:
    """The card beside a translator, or else the facts in the report of its run."""
    path, run = translator / "README.md", translator.absolute().parent
    try:
        if path.is_file():
            return path.read_text(encoding="utf-8")
        path = run / "report.json"
        if not (run / "run.json").is_file() or not path.is_file():
            return None
        report = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # not UTF-8, or not JSON
        raise ValueError(
            f"`RUN` must have a readable {path.name} for the model card. Received: {path} "
            f"({error}). Repair or remove it."
        ) from error
    load_tensorflow()
    from keras_attn.serving.model_card import training_facts

    return training_facts(run.name, report) if isinstance(report, dict) else None
