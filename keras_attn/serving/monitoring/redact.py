"""Redacts text for a log: addresses, accounts and long numbers become marks."""

from __future__ import annotations

import re

# What people write between the digits of a number: blanks and dashes of all kinds.
_BETWEEN = r"[\s()\[\]./\u2010-\u2015\u2212\uff08\uff09\uff0d\uff0e\uff0f-]{0,3}"
# What an e-mail address does not hold stands between two of them.
_IN_ADDRESS = r"[^\s@<>,;:/|\"()\[\]]"
# The order matters: an address may contain what looks like a number. No address is tried from the
# middle of a word: a long word would take quadratic time.
_RULES = (
    (re.compile(r"(?:\b[a-z][a-z0-9+.-]{0,20}://|\bwww\.)\S+", re.IGNORECASE), "<url>"),
    (re.compile(rf"(?<!{_IN_ADDRESS}){_IN_ADDRESS}+@{_IN_ADDRESS}+\.\w+"), "<email>"),
    (re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b"), "<account>"),
    # Telephone numbers, cards, dates: five digits or more, with what people write between them.
    (re.compile(rf"\+?\d(?:{_BETWEEN}\d){{4,}}"), "<number>"),
)


def redact(text: str) -> str:
    """Replaces text that could identify or reach a person.

    Web addresses become `<url>`, e-mail addresses `<email>`, IBANs `<account>`, and numbers of five
    digits or more `<number>`. Names stay: no rule finds them.

    Args:
        text: str.

    Returns:
        str.

    Example:

    >>> redact("Write to jo@example.org or call +81 3-1234-5678, room 12.")
    'Write to <email> or call <number>, room 12.'
    """
    for pattern, mark in _RULES:
        text = pattern.sub(mark, text)
    return text
