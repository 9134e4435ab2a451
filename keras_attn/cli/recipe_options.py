"""`--set SECTION.FIELD=VALUE`: changes to a recipe on the command line."""

from __future__ import annotations

import argparse


def add_set_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--set`.

    Args:
        parser: the command's parser.
    """
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        type=_setting,
        metavar="SECTION.FIELD=VALUE",
        help="change a field of the recipe, such as training.max_steps=100 or "
        "model.overrides='{num_layers = 3}'; may be repeated",
    )


def _setting(text: str) -> tuple[str, str]:
    """Splits `key=value`."""
    key, equals, value = text.partition("=")
    if not (key.strip() and equals):
        raise argparse.ArgumentTypeError(f"must be SECTION.FIELD=VALUE, not {text!r}")
    return key.strip(), value.strip()
