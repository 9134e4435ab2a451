"""The small models that ship inside the package, each a saved translator with a model card.

`Translator.load("tatoeba_en_de")` and the commands take a name of `list_pretrained()` wherever they
take a directory. A directory of that name in the working directory comes first.
"""

import os
from pathlib import Path

_DIRECTORY = Path(__file__).resolve().parent
DEFAULT_MODEL = "tatoeba_en_de"


def list_pretrained() -> list[str]:
    """Lists the names of the shipped models.

    Returns:
        list of str, sorted.

    Example:

    >>> "tatoeba_en_de" in list_pretrained()
    True
    """
    return sorted(path.parent.name for path in _DIRECTORY.glob("*/translator.json"))


def locate(location: str | os.PathLike) -> Path:
    """The directory of a shipped model if `location` is its name and no such path exists.

    Args:
        location: path, or the name of a shipped model.

    Returns:
        Path. `location` itself for everything else.

    Example:

    >>> locate("tatoeba_en_de").parent.name, locate("runs/mine").name
    ('pretrained', 'mine')
    """
    path = Path(location)
    if not path.exists() and str(location) in list_pretrained():
        return find_pretrained(str(location))
    return path


def find_pretrained(name: str) -> Path:
    """The directory of a shipped model.

    Args:
        name: str. One of `list_pretrained()`.

    Returns:
        Path.

    Raises:
        ValueError: if there is no such model.

    Example:

    >>> find_pretrained("tatoeba_en_de").name
    'tatoeba_en_de'
    """
    if name not in list_pretrained():
        raise ValueError(
            f"`name` must be one of {', '.join(list_pretrained())}. Received: {name!r}."
        )
    return _DIRECTORY / name
