"""Doubtful translations go to a file, for a person to see; corrections come back as pairs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from keras_attn.cli.command_parser import CommandParser
from keras_attn.cli.model_location import find_translator
from keras_attn.cli.process import load_tensorflow

if TYPE_CHECKING:
    from keras_attn.translator import Confidence, Translation


def add_review_options(parser: CommandParser) -> None:
    """Adds the options of `keras-attn translate` for a review."""
    parser.add_argument(
        "--review-below",
        type=float,
        metavar="CONFIDENCE",
        help="write translations that are less sure than this (0 to 1) to --review-file; needs "
        "`keras-attn calibrate` once",
    )
    parser.add_argument(
        "--review-file",
        metavar="FILE",
        help="JSON lines with source, translation, confidence and an empty correction, to be "
        "filled in by a person and read by `keras-attn review`; appended to",
    )


def open_review(arguments: argparse.Namespace) -> ReviewQueue | None:
    """The queue that the options ask for.

    Args:
        arguments: the parsed arguments.

    Returns:
        `ReviewQueue` or None.

    Raises:
        ValueError: if only one option is given, a number is out of range, or the translator is not
            calibrated.
    """
    below, path = arguments.review_below, arguments.review_file
    if below is None and path is None:
        return None
    if arguments.split_sentences is not None:
        raise ValueError("`--review-below` must be given without --split-sentences.")
    if below is None or path is None:
        raise ValueError("`--review-below` and `--review-file` must be given together.")
    if not 0 < below <= 1:
        raise ValueError(f"`--review-below` must be above 0 and at most 1. Received: {below}.")
    load_tensorflow()
    from keras_attn.translator import Confidence

    return ReviewQueue(Confidence.load(find_translator(arguments.run_path)), below, Path(path))


class ReviewQueue:
    """Appends doubtful translations to a file. Use it in a `with` statement.

    Args:
        confidence: `Confidence`.
        below: float. Translations that are less sure than this are doubtful.
        path: Path. The file.

    Attributes:
        count: int. How many were doubtful.
    """

    def __init__(self, confidence: Confidence, below: float, path: Path) -> None:
        self._confidence, self._below = confidence, below
        self._file = open(path, "a", encoding="utf-8")
        self.count = 0

    def take(self, translations: Sequence[Translation]) -> None:
        """Looks at translations.

        Args:
            translations: sequence of `Translation`.
        """
        for one in translations:
            confidence = self._confidence.of(one)
            if confidence < self._below:
                self.count += 1
                record = {
                    "source": one.source,
                    "translation": one.text,
                    "confidence": round(confidence, 3),
                    "correction": "",
                }
                self._file.write(json.dumps(record, ensure_ascii=False) + "\n")
        self._file.flush()

    def __enter__(self) -> ReviewQueue:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()


def read_corrections(path: Path) -> list[tuple[str, str]]:
    """The sources and corrections of a queue in which a person has filled in some.

    Args:
        path: Path.

    Returns:
        list of (source, correction).

    Raises:
        ValueError: if a line is none of a queue, or a text has a tab, which the columns of a TSV
            cannot hold.
    """
    pairs = []
    # Not `splitlines`: a text may have U+2028, which ends no line of the file.
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            source, correction = record["source"], record["correction"].strip()
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"Line {number} of {path} must be a line of a review queue. Received: "
                f"{line[:60]!r} ({error})."
            ) from error
        if not correction:
            continue
        if any(mark in text for text in (source, correction) for mark in "\t\n\r"):
            raise ValueError(f"Line {number} of {path} must hold no tab and no line end in a text.")
        pairs.append((source, correction))
    return pairs
