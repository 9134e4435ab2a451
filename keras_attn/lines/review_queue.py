"""Doubtful translations go to a file, for a person to see; corrections come back as pairs."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from keras_attn.lines.translation import Translation


class ReviewQueue:
    """Appends doubtful translations to a file of JSON lines. Several threads may do so.

    Each line has `source`, `translation`, `confidence` and an empty `correction`, which a person
    fills in; `keras-attn review` makes training pairs of the corrections. The file holds text as it
    was given, so keep it as safe as the text itself.

    Args:
        path: path. The file; it is appended to if it is there.
        below: float, above 0 and at most 1. Translations that are less sure than this are doubtful.
        most: int. Lines that are written at most; further ones are counted in `dropped`.

    Attributes:
        count: int. How many translations were doubtful.
        dropped: int. How many of them were not written, because the queue was full.

    Raises:
        ValueError: if a number is out of range.
        OSError: if the file cannot be written.

    Example:

    >>> with ReviewQueue("queue.jsonl", below=0.4) as queue:
    ...     queue.take([Translation("Hm?", "Hm?", confidence=0.1)])
    >>> read_corrections("queue.jsonl")
    []
    """

    def __init__(
        self, path: str | os.PathLike[str], below: float = 0.4, most: int = 100_000
    ) -> None:
        if not 0 < below <= 1:
            raise ValueError(f"`below` must be above 0 and at most 1. Received: {below}.")
        if most < 1:
            raise ValueError(f"`most` must be at least 1. Received: {most}.")
        self._below, self._most = below, most
        self._lock = threading.Lock()
        self._file = open(path, "a", encoding="utf-8")
        self.count = self.dropped = 0

    def take(self, translations: Iterable[Translation]) -> None:
        """Looks at translations.

        Args:
            translations: iterable of `Translation`.

        Raises:
            ValueError: if a translation has no confidence.
        """
        with self._lock:
            for one in translations:
                if one.confidence is None:
                    raise ValueError(
                        "`translations` must tell a confidence. Received: one without. Calibrate "
                        "the model with `keras-attn calibrate`; export it again if it is served."
                    )
                if one.confidence >= self._below:
                    continue
                self.count += 1
                if self.count > self._most:
                    self.dropped += 1
                    continue
                record = {
                    "source": one.source,
                    "translation": one.text,
                    "confidence": round(one.confidence, 3),
                    "correction": "",
                }
                self._file.write(json.dumps(record, ensure_ascii=False) + "\n")
            self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def __enter__(self) -> ReviewQueue:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def read_corrections(path: str | os.PathLike[str]) -> list[tuple[str, str]]:
    """The sources and corrections of a queue in which a person has filled in some.

    Args:
        path: path.

    Returns:
        list of (source, correction).

    Raises:
        ValueError: if a line is none of a queue, or a text has a tab, which the columns of a TSV
            cannot hold.
        OSError: if there is no such file.

    Example:

    >>> Path("queue.jsonl").touch()
    >>> read_corrections("queue.jsonl")
    []
    """
    pairs = []
    # Not `splitlines`: a text may have U+2028, which ends no line of the file.
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").split("\n"), start=1):
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
