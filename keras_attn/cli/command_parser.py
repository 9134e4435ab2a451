"""An argument parser whose errors are one line and suggest the nearest valid name."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from keras_attn.system.did_you_mean import nearest_names

Subparsers = Any  # argparse's class for subcommands is private


class CommandParser(argparse.ArgumentParser):
    """`argparse.ArgumentParser` for `keras-attn` and its commands.

    It differs from argparse in four ways. An error is one line without the usage. The error for an
    unknown command or option names the nearest one. An option cannot be abbreviated, so that a new
    option never changes the meaning of an old script. Options may stand between positional
    arguments: argparse would take `DIRECTORY` for missing in `RUN --format litert DIRECTORY`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("allow_abbrev", False)
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(*args, **kwargs)
        self.commands: dict[str, CommandParser] = {}
        self._passed_on: str | None = None
        self._is_mixing = False

    def error(self, message: str) -> NoReturn:
        """Prints one line and exits with status 2."""
        text = " ".join(message.split())
        self.exit(2, f"{self.prog}: error: {text}{_stop(text)} See `{self.prog} --help`.\n")

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parses all arguments; the error for an unknown one names the nearest."""
        found, unknown = self.parse_known_args(args, namespace)
        if unknown:
            parser = self._chosen(found)
            parser.error(parser.describe_unknown(unknown[0]))
        return found

    def pass_on(self, name: str) -> None:
        """Stores everything after `--` for another program, without parsing it.

        Args:
            name: str. The attribute of the parsed arguments that stores it, a list of str.
        """
        self._passed_on = name

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parses the arguments, but only those before `--` after a call of `pass_on`."""
        if self._passed_on is None:
            return self._parse_mixed(args, namespace)
        given = list(sys.argv[1:] if args is None else args)
        end = given.index("--") if "--" in given else len(given)
        found, unknown = self._parse_mixed(given[:end], namespace)
        setattr(found, self._passed_on, given[end + 1 :])
        return found, unknown

    def _parse_mixed(self, args: Any, namespace: Any) -> Any:
        """Parses options first, then positional arguments; a parser of commands cannot do that."""
        if self.commands or self._is_mixing:  # argparse calls `parse_known_args` for each step
            return super().parse_known_args(args, namespace)
        self._is_mixing = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._is_mixing = False

    def option_names(self) -> list[str]:
        """Every option that this parser takes."""
        return [text for action in self._actions for text in action.option_strings]

    def describe_unknown(self, text: str) -> str:
        """What is wrong with an argument that this parser does not take.

        Args:
            text: str. The argument.

        Returns:
            str.
        """
        name = text.split("=")[0]
        if text.startswith("-"):
            options = [one for one in self.option_names() if one.startswith("--")]
            return f"unknown argument {name!r}{did_you_mean(name, options)}"
        names = [str(one.metavar or one.dest) for one in self._get_positional_actions()]
        taken = f"{' and '.join(names)} and options" if names else "options only"
        return f"unknown argument {text!r}; this command takes {taken}"

    def _chosen(self, found: argparse.Namespace) -> CommandParser:
        """The parser of the given command, for errors that are found after parsing."""
        parser: CommandParser = self
        for name in (getattr(found, "command", None), getattr(found, "picture", None)):
            parser = parser.commands.get(name, parser) if name else parser
        return parser

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            names = [str(choice) for choice in action.choices]
            what = action.metavar if isinstance(action.metavar, str) else action.dest
            raise argparse.ArgumentError(
                None, f"unknown {what} {str(value)!r}{did_you_mean(str(value), names)}"
            )


class CommandFailure(Exception):
    """The work failed although the input was valid: one line for the user, exit status 1."""


def did_you_mean(name: str, valid_names: Iterable[str]) -> str:
    """Writes the hint of an error about an unknown name.

    Args:
        name: str. The unknown name.
        valid_names: iterable of str. The valid names.

    Returns:
        str. The nearest name, or all valid names if none is near.

    Example:

    >>> did_you_mean("trian", ["train", "translate"])
    "; did you mean 'train'?"
    >>> did_you_mean("zzz", ["train", "translate"])
    '; valid names: train, translate'
    """
    valid_names = list(valid_names)
    nearest = nearest_names(name, valid_names, limit=1)
    return (
        f"; did you mean {nearest[0]!r}?" if nearest else f"; valid names: {', '.join(valid_names)}"
    )


@dataclasses.dataclass(frozen=True)
class Command:
    """A command as its help describes it.

    The module of a command defines it as `COMMAND`, together with `add_arguments(parser)` and
    `run(arguments)`, which returns the exit status.

    Args:
        name: str. The name on the command line.
        summary: str. One line for the list of commands.
        description: str. The first text of `--help`.
        examples: sequence of str. Command lines that `--help` shows.
    """

    name: str
    summary: str
    description: str
    examples: Sequence[str]


def add_command(
    subparsers: Subparsers, command: Command, run: Callable[[argparse.Namespace], int]
) -> CommandParser:
    """Adds a command with its help.

    Args:
        subparsers: the result of `add_subparsers`.
        command: Command. The command.
        run: function of the parsed arguments that returns the exit status.

    Returns:
        CommandParser. For the command's arguments.
    """
    lines = [f"  {example}" for example in command.examples]
    title = "example:" if len(lines) == 1 else "examples:"
    parser: CommandParser = subparsers.add_parser(
        command.name,
        help=command.summary,
        description=command.description,
        epilog="\n".join([title, *lines]),
    )
    parser.set_defaults(run=run)
    return parser


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--json`."""
    parser.add_argument(
        "--json", action="store_true", help="print only one JSON object on standard output"
    )


def add_beams_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--beams`."""
    parser.add_argument(
        "--beams",
        type=positive_integer,
        metavar="N",
        help="hypotheses kept by the beam search (default: as the model was saved)",
    )


def positive_integer(text: str) -> int:
    """Reads a whole number above 0.

    Args:
        text: str. The text on the command line.

    Returns:
        int.

    Raises:
        argparse.ArgumentTypeError: if the text is anything else.

    Example:

    >>> positive_integer("4")
    4
    """
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return int(text)


def _stop(text: str) -> str:
    return "" if text.endswith((".", "?", "!")) else "."
