"""What must not stand in a log: addresses, accounts and long numbers become marks."""

from __future__ import annotations

import re

# In this order: an address may hold what looks like a number.
_RULES = (
    (re.compile(r"(?:\b[a-z][a-z0-9+.-]*://|\bwww\.)\S+", re.IGNORECASE), "<url>"),
    (re.compile(r"[^\s@<>]+@[^\s@<>]+\.\w+"), "<email>"),
    (re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b"), "<account>"),
    # Telephones, cards, dates: five digits or more, with what people write between them.
    (re.compile(r"\+?\d(?:[ ()./-]{0,3}\d){4,}"), "<number>"),
)


def redact(text: str) -> str:
    """Replaces what could name or reach a person.

    Web addresses become `<url>`, e-mail addresses `<email>`, IBANs `<account>`, and numbers of five
    digits and more `<number>`. Names stay: no rule finds those.

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
