"""Notes on the odd pairs of a corpus."""

from collections.abc import Sequence


def describe_segments(sources: Sequence[str], targets: Sequence[str]) -> tuple[str, ...]:
    """Notes on odd pairs: empty sides, blanks at the ends, line breaks inside.

    A carriage return inside a segment is often a line end that the tool for one side missed.

    Args:
        sources: sequence of str. The source segments.
        targets: sequence of str. The target segments, one for each source segment.

    Returns:
        A tuple of sentences, each with a count and the number of the first such pair, counted from
        1.

    Example:

    >>> describe_segments(["one", "", " three"], ["eins", "zwei", "drei"])
    ('1 pair is empty on one side (first: 2).', '1 pair has leading or trailing blanks (first: 3).')
    """
    found: dict[str, list[int]] = {
        "empty on both sides": [],
        "empty on one side": [],
        "leading or trailing blanks": [],
        "a line break inside a segment": [],
        "a carriage return inside a segment": [],
    }
    both, one, blanks, breaks, returns = found.values()
    for number, (source, target) in enumerate(zip(sources, targets, strict=True), start=1):
        empty_sides = (not source or source.isspace()) + (not target or target.isspace())
        if empty_sides:
            (both if empty_sides == 2 else one).append(number)
        elif source != source.strip() or target != target.strip():
            blanks.append(number)
        if "\n" in source or "\n" in target:
            breaks.append(number)
        if "\r" in source or "\r" in target:
            returns.append(number)
    return tuple(_sentence(what, numbers) for what, numbers in found.items() if numbers)


def _sentence(what: str, numbers: Sequence[int]) -> str:
    one = len(numbers) == 1
    verb = ("is" if one else "are") if what.startswith("empty") else ("has" if one else "have")
    return f"{len(numbers):,} {'pair' if one else 'pairs'} {verb} {what} (first: {numbers[0]:,})."
