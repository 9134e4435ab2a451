"""`keras-attn plot`: pictures of attention, position encodings, schedules and runs."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from keras_attn.cli.attention_picture import draw_attention
from keras_attn.cli.command_parser import (
    Command,
    CommandParser,
    Subparsers,
    add_command,
    positive_integer,
)
from keras_attn.cli.model_location import add_run_argument, open_translator
from keras_attn.cli.output import make_console, say
from keras_attn.cli.process import load_tensorflow

_EXAMPLES = {
    "attention": [
        "keras-attn plot attention runs/phrasebook 'The old woman reads.' --output map.png"
    ],
    "positions": ["keras-attn plot positions --output positions.png --hidden-dim 128"],
    "schedule": ["keras-attn plot schedule --output schedule.png --warmup-steps 4000"],
    "history": ["keras-attn plot history runs/phrasebook --output history.png"],
}


COMMAND = Command(
    "plot",
    "draw attention, positions, schedule or history",
    "Draws a picture: PNG, SVG or PDF, by the extension of its name. Needs matplotlib:\n"
    'pip install "keras_attn[plots]"',
    [example for examples in _EXAMPLES.values() for example in examples],
)


def add_arguments(parser: CommandParser) -> None:
    """Adds one subcommand per picture."""
    pictures = parser.add_subparsers(
        dest="picture", metavar="PICTURE", title="pictures", required=True
    )
    parser.commands = pictures.choices
    _add_attention(pictures)
    _add_positions(pictures)
    _add_schedule(pictures)
    _add_history(pictures)


def _add_picture(
    pictures: Subparsers, name: str, run: Callable[[argparse.Namespace], int], summary: str
) -> CommandParser:
    examples: Sequence[str] = _EXAMPLES[name]
    description = f"{summary[0].upper()}{summary[1:]}."
    parser = add_command(pictures, Command(name, summary, description, examples), run)
    parser.add_argument("--output", required=True, metavar="FILE", help=".png, .svg or .pdf")
    return parser


def _add_attention(pictures: Subparsers) -> None:
    summary = "draw which source token each token of a translation attends to"
    parser = _add_picture(pictures, "attention", _run_attention, summary)
    add_run_argument(parser)
    parser.add_argument("sentence", metavar="SENTENCE", help="a sentence to translate")
    parser.add_argument(
        "--layer",
        type=_layer,
        default=-1,
        metavar="LAYER",
        help="number of a decoder layer (0: first, -1: last, the default), `all` or `mean`",
    )


def _add_positions(pictures: Subparsers) -> None:
    summary = "draw the sinusoidal position encoding (Section 3.5)"
    parser = _add_picture(pictures, "positions", _run_positions, summary)
    for option, default, words in (
        ("--hidden-dim", 512, "width of the encoding"),
        ("--length", 100, "number of positions"),
    ):
        _add_number(parser, option, default, words)


def _add_schedule(pictures: Subparsers) -> None:
    summary = "draw the learning rate schedule (Section 5.3)"
    parser = _add_picture(pictures, "schedule", _run_schedule, summary)
    for option, default, words in (
        ("--hidden-dim", 512, "width of the model"),
        ("--warmup-steps", 4000, "updates over which the rate rises"),
    ):
        _add_number(parser, option, default, words)
    parser.add_argument(
        "--steps",
        type=positive_integer,
        metavar="N",
        help="updates to draw (default: five times the warm-up)",
    )


def _add_history(pictures: Subparsers) -> None:
    summary = "draw losses, BLEU and learning rate of a run"
    parser = _add_picture(pictures, "history", _run_history, summary)
    parser.add_argument("run_path", metavar="RUN", help="run directory or history.jsonl")


def _add_number(parser: CommandParser, option: str, default: int, words: str) -> None:
    parser.add_argument(
        option,
        type=positive_integer,
        default=default,
        metavar="N",
        help=f"{words} (default: {default})",
    )


def _layer(text: str) -> int | str:
    """Reads the number of a layer, `all` or `mean`."""
    if text in ("all", "mean"):
        return text
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be the number of a layer, `all` or `mean`, not {text!r}"
        ) from None


def run(arguments: argparse.Namespace) -> int:
    raise ValueError("`PICTURE` must be given: attention, positions, schedule or history.")


def _run_attention(arguments: argparse.Namespace) -> int:
    from keras_attn.visualization.drawing import check_output

    check_output(arguments.output)
    if not arguments.sentence.strip():
        raise ValueError("`SENTENCE` must not be empty. Received: ''.")
    translator = open_translator(arguments.run_path)
    translation = draw_attention(translator, arguments.sentence, arguments.output, arguments.layer)
    say(make_console(), translation.text)
    if translation.truncated:
        say(make_console(stderr=True), "truncated: SENTENCE or its translation was too long")
    return _done(Path(arguments.output))


def _run_positions(arguments: argparse.Namespace) -> int:
    from keras_attn.visualization.drawing import check_output

    check_output(arguments.output)
    load_tensorflow()
    from keras_attn.ops import sinusoidal_encoding
    from keras_attn.visualization import plot_positions

    encoding = sinusoidal_encoding(arguments.length, arguments.hidden_dim)
    title = f"Position encoding, {arguments.hidden_dim} dimensions"
    return _done(plot_positions(encoding, arguments.output, title=title))


def _run_schedule(arguments: argparse.Namespace) -> int:
    from keras_attn.visualization.drawing import check_output

    check_output(arguments.output)
    load_tensorflow()
    from keras_attn.training import TransformerSchedule
    from keras_attn.visualization import plot_schedule

    width, warmup_steps = arguments.hidden_dim, arguments.warmup_steps
    schedule = TransformerSchedule(width, warmup_steps)
    num_steps = arguments.steps or 5 * warmup_steps
    title = f"Learning rate, hidden_dim {width}, warmup_steps {warmup_steps:,}"
    return _done(plot_schedule(schedule, num_steps, arguments.output, title=title))


def _run_history(arguments: argparse.Namespace) -> int:
    from keras_attn.visualization import plot_history

    return _done(plot_history(arguments.run_path, arguments.output))


def _done(path: Path) -> int:
    say(make_console(), f"picture: {path}")
    return 0
