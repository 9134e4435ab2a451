"""How a recipe names a trained translator: a path, or the name of a shipped model."""

from pathlib import Path


def absolute_location(location: str | None) -> str | None:
    """Makes a path absolute, so that it works from any working directory.

    Args:
        location: str or None. A path, or the name of a shipped model, which stays as it is.

    Example:

    >>> absolute_location("tatoeba_en_de"), absolute_location(None)
    ('tatoeba_en_de', None)
    """
    if location is None or not Path(location).exists():
        return location
    return str(Path(location).resolve())
