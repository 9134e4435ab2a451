"""Files that grow by one JSON object a line as a training goes on."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from keras_attn.system.whole_file import whole_file


def read_lines(path: str | os.PathLike) -> list[dict[str, Any]]:
    """Reads the objects; a last line that was cut off by a crash is left out.

    Args:
        path: path. The file; one that is not there has no lines.

    Returns:
        list of dict, each with a "step".

    Raises:
        ValueError: if a line other than the last is not a JSON object with a step.
    """
    path = Path(path)
    if not path.exists():
        return []
    objects = []
    texts = path.read_text(encoding="utf-8").splitlines()
    for number, text in enumerate(texts, start=1):
        try:
            line = json.loads(text)
            line["step"]
        except (ValueError, KeyError, TypeError) as error:
            if number == len(texts):
                break
            raise ValueError(
                f"`{path}` must hold one JSON object with a step a line. "
                f"Received: line {number}: {text[:60]!r}"
            ) from error
        objects.append(line)
    return objects


def append_lines(path: Path, objects: Iterable[dict[str, Any]]) -> None:
    """Appends objects, and waits until they are on the disk.

    Args:
        path: Path. The file; made if it is not there.
        objects: iterable of dict. Each with a "step".
    """
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(one, ensure_ascii=False) + "\n" for one in objects)
        file.flush()
        os.fsync(file.fileno())


def drop_lines_after(path: Path, step: int) -> None:
    """Drops what belongs to updates that will be made again, and a torn last line.

    Args:
        path: Path. The file; nothing happens if it is not there.
        step: int. The last step whose lines stay.
    """
    if not path.exists():
        return
    kept = [one for one in read_lines(path) if one["step"] <= step]
    with whole_file(path) as temporary:
        append_lines(temporary, kept)
