"""A file of doubtful translations, and the pairs that a person makes by correcting them."""

from __future__ import annotations

import json
import os
import threading
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

from keras_attn.lines.translation import Translation


class ReviewQueue:
    """Appends doubtful translations to a file of JSON lines. Several threads may use it.

    Each line has `source`, `translation`, `confidence` and an empty `correction`, which a person
    fills in; `keras-attn review` turns the corrections into training pairs. The file is open only
    while lines are written, so an editor may replace it. It holds the text as it was given, so
    protect it like the text itself.

    Args:
        path: path. The file. If it exists, it is appended to.
        below: float, above 0 and at most 1. Translations with a lower confidence are doubtful.
        most: int. The largest number of lines in the file; more are counted in `dropped`.

    Attributes:
        count: int. How many translations were doubtful.
        dropped: int. How many of them were not written, because the queue or the disk was full.

    Raises:
        ValueError: if a number is out of range, or the path is that of a device or a directory.
        OSError: if the file cannot be written.

    Example:

    >>> queue = ReviewQueue("queue.jsonl", below=0.4)
    >>> queue.take([Translation("Hm?", "Hm?", confidence=0.1)])
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
        self._path, self._below = Path(path), below
        if self._path.exists() and not self._path.is_file():
            raise ValueError(
                "`path` must be a file, which is read to its end and appended to. Received: "
                f"{self._path}, a directory, a device or a pipe."
            )
        self._lock = threading.Lock()
        with open(self._path, "a+b") as file:
            file.seek(0)
            self._room = most - sum(1 for _ in file)
        self.count = self.dropped = 0

    def take(self, translations: Iterable[Translation]) -> None:
        """Appends the doubtful ones of the given translations.

        If the file cannot be written, it only warns, because the translations are not lost.

        Args:
            translations: iterable of `Translation`.

        Raises:
            ValueError: if a translation has no confidence.
        """
        doubtful = [one for one in translations if _confidence(one) < self._below]
        if not doubtful:
            return
        with self._lock:
            self.count += len(doubtful)
            written = doubtful[: max(0, self._room)]
            try:
                self._append(written)
            except OSError as error:
                written = []
                warnings.warn(f"The review queue cannot be written: {error}", stacklevel=2)
            self._room -= len(written)
            self.dropped += len(doubtful) - len(written)

    def _append(self, translations: Sequence[Translation]) -> None:
        records = [
            {
                "source": one.source,
                "translation": one.text,
                "confidence": round(_confidence(one), 3),
                "correction": "",
            }
            for one in translations
        ]
        text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in records)
        with open(self._path, "a+b", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            if size:
                file.seek(-1, os.SEEK_END)
                if file.read() != b"\n":  # an editor left the last line without an end
                    text = "\n" + text
            content = memoryview(text.encode("utf-8", "replace"))
            try:
                while content:  # a nearly full disk takes a part, and then raises
                    content = content[file.write(content) or 0 :]
            except OSError:
                file.truncate(size)
                raise


def _confidence(translation: Translation) -> float:
    if translation.confidence is None:
        raise ValueError(
            "Every translation must have a confidence. Received: one without. Calibrate the model "
            "with `keras-attn calibrate`; export it again if it is served."
        )
    return translation.confidence


def read_corrections(path: str | os.PathLike[str]) -> list[tuple[str, str]]:
    """Reads the corrections that a person has filled in, with their sources.

    Args:
        path: path.

    Returns:
        list of (source, correction).

    Raises:
        ValueError: if a line is not from a queue, or a text has a tab or a line end, which a TSV
            cannot hold.
        OSError: if there is no such file.

    Example:

    >>> Path("queue.jsonl").touch()
    >>> read_corrections("queue.jsonl")
    []
    """
    pairs = []
    # Bytes that are not UTF-8 are found below, where the number of their line is known.
    content = Path(path).read_text(encoding="utf-8", errors="surrogateescape")
    content = content.removeprefix("\ufeff")  # editors write a byte order mark
    # Not `splitlines`: a text may have U+2028, which does not end a line of the file.
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line.encode("utf-8", "surrogateescape").decode("utf-8"))
            source, correction = record["source"], record["correction"].strip()
            if not isinstance(source, str):
                raise TypeError(f"a source of type {type(source).__name__}")
            f"{source}{correction}".encode()  # no half of a surrogate pair, which no file can hold
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"Line {number} of {path} must be a line of a review queue. Received: "
                f"{line[:60]!r} ({error})."
            ) from error
        if not correction:
            continue
        if any(mark in text for text in (source, correction) for mark in "\t\n\r"):
            raise ValueError(f"Line {number} of {path} must have no tab or line end in a text.")
        pairs.append((source, correction))
    return pairs
