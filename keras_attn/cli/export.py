"""`keras-attn export`: the next SavedModel version of a model, verified."""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path

from keras_attn.cli.command_parser import Command, CommandFailure, CommandParser, add_json_option
from keras_attn.cli.model_location import add_run_argument, find_translator, open_translator
from keras_attn.cli.output import make_console, print_json, say
from keras_attn.cli.process import program
from keras_attn.lines import read_lines

_DESCRIPTION = """\
Writes the translator of a run as a SavedModel for an unmodified TF Serving: strings in, strings
out. The SavedModel is loaded again, as a server loads it, and must translate as the translator
does. Then one rename makes it the next version directory, DIRECTORY/1, DIRECTORY/2 and so on."""


COMMAND = Command(
    "export",
    "write the next SavedModel version, verified",
    _DESCRIPTION,
    ["keras-attn export runs/phrasebook saved_models/phrasebook"],
)


def add_arguments(parser: CommandParser) -> None:
    """Adds the arguments of the command."""
    add_run_argument(parser)
    parser.add_argument(
        "directory", metavar="DIRECTORY", help="model directory, such as saved_models/NAME"
    )
    parser.add_argument(
        "--reference",
        metavar="FILE",
        help="lines like those that the model is made for, not from its training text: their "
        "statistics are what `keras-attn monitor` compares with",
    )
    parser.add_argument(
        "--xla",
        action="store_true",
        help="compile the search by XLA, for a server that is started with "
        "--xla_cpu_compilation_enabled; others cannot run it",
    )
    add_json_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Exports a translator."""
    lines = read_lines(arguments.reference) if arguments.reference else None
    translator = open_translator(arguments.run_path)
    from keras_attn.serving import ExportError, export_saved_model

    card = _model_card(find_translator(arguments.run_path))
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


def _model_card(translator: Path) -> str | None:
    """The card beside a translator; or what the report of its run says."""
    card, run = translator / "README.md", translator.absolute().parent
    if card.is_file():
        return card.read_text(encoding="utf-8")
    if not (run / "run.json").is_file() or not (run / "report.json").is_file():
        return None
    from keras_attn.serving.model_card import training_facts

    report = json.loads((run / "report.json").read_text(encoding="utf-8"))
    return training_facts(run.name, report) if isinstance(report, dict) else None
