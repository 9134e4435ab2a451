"""`keras-attn review`: turns a person's corrections into training pairs."""

from __future__ import annotations

import argparse
from pathlib import Path

from keras_attn.cli.command_parser import Command, CommandParser
from keras_attn.cli.output import check_may_write, make_console, say
from keras_attn.lines import read_corrections
from keras_attn.system.whole_file import whole_file

_DESCRIPTION = """\
Reads the file of `keras-attn translate --review-file`, after a person has filled in corrections,
and writes the corrected pairs to a TSV file with source and translation. Recipes can read this file
(data.kind = "tsv")."""


COMMAND = Command(
    "review",
    "turn corrected translations into training pairs",
    _DESCRIPTION,
    ["keras-attn review queue.jsonl --output corrections.tsv"],
)


def add_arguments(parser: CommandParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument("queue", metavar="QUEUE", help="the file of --review-file")
    parser.add_argument("--output", required=True, metavar="FILE", help="the TSV file to write")


def run(arguments: argparse.Namespace) -> int:
    """Writes the corrections."""
    check_may_write(arguments.output, inputs=[arguments.queue])
    pairs = read_corrections(arguments.queue)
    with whole_file(Path(arguments.output)) as temporary:
        text = "".join(f"{source}\t{correction}\n" for source, correction in pairs)
        temporary.write_text(text, encoding="utf-8")
    say(make_console(), f"wrote {len(pairs):,} corrected pairs: {arguments.output}")
    return 0
