"""Parallel files, which must have the same number of lines."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

from keras_attn.lines import read_lines


def add_parallel_options(parser: argparse.ArgumentParser) -> None:
    """Adds the required options `--source` and `--reference`."""
    parser.add_argument("--source", required=True, metavar="FILE", help="lines to translate")
    parser.add_argument(
        "--reference",
        required=True,
        action="append",
        metavar="FILE",
        help="reference translations, aligned by line; may be repeated",
    )


def read_source_and_references(arguments: argparse.Namespace) -> list[list[str]]:
    """The lines of `--source`, then those of each `--reference`; see `read_parallel_files`."""
    return read_parallel_files({"--source": [arguments.source], "--reference": arguments.reference})


def read_parallel_files(paths: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Reads files that must have the same number of lines.

    Args:
        paths: mapping of option to its paths. Errors name the option.

    Returns:
        list of the lines of each file, in the order given.

    Raises:
        ValueError: if a file cannot be read or is not UTF-8, the numbers of lines differ, or the
            files are empty.
    """
    files = [(option, path) for option, given in paths.items() for path in given]
    contents = [read_lines(path, argument=option) for option, path in files]
    names = " and ".join(f"`{option}`" for option in paths)
    if len(set(map(len, contents))) > 1:
        counts = ", ".join(
            f"{path} with {len(lines):,}" for (_, path), lines in zip(files, contents, strict=True)
        )
        raise ValueError(f"{names} must have the same number of lines. Received: {counts}.")
    if not contents[0]:
        raise ValueError(f"{names} must contain at least one line. Received: {files[0][1]}, empty.")
    return contents
