"""Checks texts that come from a program instead of a file."""

from collections.abc import Iterable
from typing import Any


def check_texts(name: str, texts: Any) -> list[str]:
    """Checks texts, and returns them as a list.

    Args:
        name: str. The name of the argument, for the message.
        texts: iterable of str.

    Returns:
        list of str.

    Raises:
        ValueError: if `texts` is one string, or an element is not a string or holds half of a
            surrogate pair, which a text file cannot hold. The message gives the index.

    Example:

    >>> check_texts("texts", ("Hello!", ""))
    ['Hello!', '']
    """
    is_iterable = isinstance(texts, Iterable) and not isinstance(texts, (str, bytes, dict))
    if not is_iterable:
        hint = "; put it in a list" if isinstance(texts, (str, bytes)) else ""
        raise ValueError(
            f"`{name}` must be a list of str. "
            f"Received: {type(texts).__name__}, {str(texts)[:60]!r}{hint}."
        )
    lines = list(texts)
    for index, text in enumerate(lines):
        if not isinstance(text, str):
            hint = "; decode it as UTF-8 first" if isinstance(text, bytes) else ""
            raise ValueError(
                f"`{name}` must hold strings only. Received: {str(text)[:60]!r} of type "
                f"{type(text).__name__} at index {index}{hint}."
            )
    try:
        "".join(lines).encode()
    except UnicodeEncodeError:
        index = next(i for i, text in enumerate(lines) if not _is_unicode(text))
        raise ValueError(
            f"`{name}` must hold whole Unicode characters. Received: half of a surrogate pair in "
            f"{lines[index][:60]!r} at index {index}. Decode the text with the right encoding."
        ) from None
    return lines


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
