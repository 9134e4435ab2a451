"""`keras-attn COMMAND`: runs a command, and turns errors into one line and an exit status."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from keras_attn.cli import (
    average,
    calibrate,
    canary,
    demo,
    ensemble,
    evaluate,
    export,
    monitor,
    new,
    plot,
    process,
    recipes,
    review,
    score,
    serve,
    serve_config,
    streams,
    train,
    translate,
    verify,
)
from keras_attn.cli.command_parser import CommandFailure, CommandParser, add_command
from keras_attn.cli.output import make_console, say
from keras_attn.version import __version__

DEBUG = "KERAS_ATTN_DEBUG"
COMMANDS = (
    demo,
    recipes,
    new,
    train,
    translate,
    score,
    evaluate,
    calibrate,
    review,
    average,
    ensemble,
    export,
    verify,
    serve,
    serve_config,
    monitor,
    canary,
    plot,
)
# Exit statuses as in shells and in argparse.
FAILED, BAD_INPUT, PIPE_CLOSED = 1, 2, 141

_DESCRIPTION = """\
Trains, evaluates, exports and serves the Transformer of "Attention Is All You Need"."""
_EPILOG = f"""\
start here:
  keras-attn demo

{DEBUG}=1 shows the traceback of an error."""
_WRONG_PATHS = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)
_LONGEST_UNEXPECTED = 300


def build_parser() -> CommandParser:
    """Makes the parser of all commands, without importing what they need to run.

    Returns:
        CommandParser.
    """
    parser = CommandParser(prog="keras-attn", description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"keras-attn {__version__}")
    subparsers = parser.add_subparsers(
        dest="command", metavar="COMMAND", title="commands", parser_class=CommandParser
    )
    for command in COMMANDS:
        command.add_arguments(add_command(subparsers, command.COMMAND, command.run))
    parser.commands = subparsers.choices
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
        argv: sequence of str or None. The arguments; None for those of this process.

    Returns:
        int. The exit status: 0; 1 if the work failed, or its result could not be written to
        standard output; 2 for bad input; 130 if interrupted, or 143 by SIGTERM; 141 if the reader
        of standard output is gone.
    """
    streams.prepare_streams()
    parser = build_parser()
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as stop:  # after `--help`, or a reported error
        raise SystemExit(_finish(parser.prog, int(stop.code or 0))) from None
    if arguments.command is None:
        parser.print_help(sys.stderr)
        return BAD_INPUT
    if notice := getattr(arguments, "notice", ""):
        say(make_console(stderr=True), notice)
    process.prepare_environment()
    if argv is None and getattr(arguments, "keeps_heap", False):
        process.keep_the_heap()
    return _run(arguments)


def _run(arguments: argparse.Namespace) -> int:
    """Runs the command of the arguments; an error becomes one line on standard error."""
    name = f"keras-attn {arguments.command}"
    try:
        with _tidy_warnings(name):
            status: int = arguments.run(arguments)
    except KeyboardInterrupt as error:
        number = getattr(error, "number", signal.SIGINT)
        return _finish(name, _report(name, "interrupted", 128 + number))
    except Exception as error:
        return _finish(name, FAILED, error)
    return _finish(name, status)


def _finish(name: str, status: int, error: Exception | None = None) -> int:
    """Flushes standard output, reports an error, and returns the exit status."""
    failure = streams.flush_output()
    if isinstance(error, BrokenPipeError):
        return PIPE_CLOSED
    if failure is not None and (error is None or isinstance(error, OSError)):
        if isinstance(failure, BrokenPipeError):
            return status or PIPE_CLOSED
        reason = f"error: standard output: {failure.strerror or failure}"
        return _report(name, reason, status or FAILED)
    if error is None:
        return status
    if os.environ.get(DEBUG):
        traceback.print_exception(error)
    return _report(name, *_describe(error))


@contextlib.contextmanager
def _tidy_warnings(name: str) -> Iterator[None]:
    """Shows our warnings as one line. Hides Keras' warnings, which are for programmers."""

    def show(message: Warning | str, *details: Any, **options: Any) -> None:
        _report(name, f"warning: {message}", 0)

    with warnings.catch_warnings():
        if not sys.warnoptions:
            warnings.filterwarnings("ignore", category=UserWarning, module=r"keras\b(?!_)")
        warnings.showwarning = show
        yield


def _describe(error: Exception) -> tuple[str, int]:
    """The message of an error, and its exit status."""
    if isinstance(error, CommandFailure | ImportError | MemoryError):
        return f"error: {error or type(error).__name__}", FAILED
    if isinstance(error, OSError) and error.strerror:
        name = f": {os.fsdecode(error.filename)}" if error.filename is not None else ""
        status = BAD_INPUT if isinstance(error, _WRONG_PATHS) else FAILED
        return f"error: {error.strerror}{name}", status
    if isinstance(error, ValueError):
        return f"error: {error}", BAD_INPUT
    message = " ".join(str(error).split())[:_LONGEST_UNEXPECTED]
    return (
        f"unexpected error: {type(error).__name__}: {message} ({DEBUG}=1 shows where)",
        FAILED,
    )


def _report(name: str, message: str, status: int) -> int:
    print(f"{name}: {' '.join(message.split())}", file=sys.stderr)
    return status
