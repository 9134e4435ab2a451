"""`keras-attn verify`: checks again that a SavedModel version can be served."""

from __future__ import annotations

import argparse

from keras_attn.cli.command_parser import Command, CommandParser, add_json_option
from keras_attn.cli.output import make_console, print_json, say
from keras_attn.cli.process import load_tensorflow

_DESCRIPTION = """\
Checks that the files of a SavedModel version are complete, that an unmodified TensorFlow Serving
accepts its graph, and that it translates as it did when it was exported. The exit status is 1 if a
check fails. The command writes nothing."""


COMMAND = Command(
    "verify",
    "check a SavedModel version",
    _DESCRIPTION,
    [
        "keras-attn verify saved_models/phrasebook/1",
        "keras-attn verify saved_models/phrasebook/1 --python .venv-serving/bin/python",
    ],
)


def add_arguments(parser: CommandParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument(
        "directory", metavar="VERSION", help="version directory, such as saved_models/NAME/1"
    )
    parser.add_argument(
        "--python",
        metavar="PROGRAM",
        help="verify with this interpreter (Python 3.11 or newer), which has the TensorFlow and "
        "TensorFlow Text of a server",
    )
    parser.add_argument("--xla", action="store_true", help="verify for a server that has XLA on")
    add_json_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Verifies a SavedModel version."""
    load_tensorflow()
    from keras_attn.serving import verify_saved_model

    with make_console(stderr=True).status("verifying"):
        report = verify_saved_model(arguments.directory, arguments.python, arguments.xla)
    if arguments.json:
        print_json(report.to_dict())
    else:
        console = make_console()
        for line in report.lines():
            say(console, line)
    return 0 if report.passed else 1
