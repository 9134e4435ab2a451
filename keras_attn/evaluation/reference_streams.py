"""Reference translations in the order that sacreBLEU reads them: one stream per reference."""

from collections.abc import Iterable, Sequence
from typing import Any

from keras_attn.lines import check_texts

ReferenceStream = Sequence[str | None]


def streams_from_groups(groups: Sequence[Sequence[str]]) -> list[list[str | None]]:
    """Turns one group of references per sentence into reference streams.

    Corpora such as Tatoeba list several translations of a sentence, and their number varies. Stream
    `i` holds the `i`-th reference of every sentence, or None if a sentence has fewer.

    Args:
        groups: Sequence of sequences of str. `groups[n]` holds the references of sentence `n`, at
            least one.

    Returns:
        List of streams, as many as the largest group has references, each as long as `groups`.

    Raises:
        ValueError: If there is no group, or a group is empty or is a plain string.

    Example:

    >>> streams_from_groups([["Hallo.", "Guten Tag."], ["Danke."]])
    [['Hallo.', 'Danke.'], ['Guten Tag.', None]]
    """
    if len(groups) == 0:
        raise ValueError("`groups` must hold the references of at least one sentence. Received: 0.")
    for index, group in enumerate(groups):
        if isinstance(group, str):
            raise ValueError(
                "`groups` must hold a list of references per sentence. Received: the string "
                f"{group!r} at index {index}; a flat list of references needs no grouping."
            )
        if len(group) == 0:
            raise ValueError(
                f"`groups` must hold at least one reference per sentence. Received: none at index "
                f"{index}."
            )
    num_streams = max(len(group) for group in groups)
    return [
        [group[stream] if stream < len(group) else None for group in groups]
        for stream in range(num_streams)
    ]


def check_sentences(name: str, texts: Any) -> list[str]:
    """Returns `texts` as a list after checking that it holds at least one string and nothing else.

    Args:
        name: str. The argument's name, for the message.
        texts: Sequence of str.

    Returns:
        List of str.

    Raises:
        ValueError: If `texts` is one string, is empty, or holds something other than strings.

    Example:

    >>> check_sentences("hypotheses", ("Ein Hund.", ""))
    ['Ein Hund.', '']
    """
    lines = check_texts(name, texts)
    if not lines:
        raise ValueError(f"`{name}` must hold at least one sentence. Received: 0 sentences.")
    return lines


def check_references(references: Any, num_sentences: int) -> list[list[str | None]]:
    """Checks references and returns them as streams in which only a missing reference is None.

    An empty string beside another reference of the same sentence means "no further reference" and
    becomes None, so that the brevity penalty does not count it as a reference of length 0. A
    sentence whose only reference is the empty string keeps it, as in sacreBLEU.

    Args:
        references: Sequence of streams, or one flat sequence of str, which is a single stream. A
            stream is a sequence of str, with None or "" if a sentence has fewer references.
        num_sentences: int. The required length of each stream.

    Returns:
        List of streams, each a list of `num_sentences` entries.

    Raises:
        ValueError: If there is no stream, a stream has another length or holds something that is
            neither str nor None, or a sentence has no reference at all.

    Example:

    >>> check_references(["Hallo.", "Danke."], 2)
    [['Hallo.', 'Danke.']]
    >>> check_references([["Hallo.", "Danke."], ["Guten Tag.", ""]], 2)
    [['Hallo.', 'Danke.'], ['Guten Tag.', None]]
    """
    streams = _as_streams(references)
    _check_lengths(streams, num_sentences)
    for number, stream in enumerate(streams):
        for index, text in enumerate(stream):
            if text is not None and not isinstance(text, str):
                raise ValueError(_not_a_string(f"references[{number}]", text, index))
        check_texts(f"references[{number}]", [text or "" for text in stream])
    for index in range(num_sentences):
        column = [stream[index] for stream in streams]
        if all(text is None for text in column):
            raise ValueError(
                "`references` must hold at least one reference for every sentence. Received: only "
                f"None for the sentence at index {index}."
            )
        if any(column):
            for stream in streams:
                stream[index] = stream[index] or None
        else:
            for number, stream in enumerate(streams):
                stream[index] = "" if number == 0 else None
    return streams


def _as_streams(references: Any) -> list[list[Any]]:
    if isinstance(references, (str, bytes)) or not isinstance(references, Iterable):
        raise ValueError(
            "`references` must be a list of reference streams, or one list of sentences. Received: "
            f"one {type(references).__name__}; put it in a list."
        )
    references = list(references)
    if not references:
        raise ValueError("`references` must hold at least one reference stream. Received: 0.")
    if all(entry is None or isinstance(entry, str) for entry in references):
        return [references]
    for index, stream in enumerate(references):
        if isinstance(stream, (str, bytes)) or not hasattr(stream, "__iter__"):
            raise ValueError(
                "`references` must be a list of streams or a flat list of strings, not a mixture. "
                f"Received: {type(stream).__name__} at index {index}."
            )
    return [list(stream) for stream in references]


def _check_lengths(streams: list[list[Any]], num_sentences: int) -> None:
    lengths = [len(stream) for stream in streams]
    if all(length == num_sentences for length in lengths):
        return
    if len(streams) == 1:
        received = f"{lengths[0]} references"
    elif len(streams) <= 8:
        received = f"streams of {', '.join(map(str, lengths))} references"
    else:
        received = f"{len(streams)} streams of {min(lengths)} to {max(lengths)} references"
    hint = ""
    if len(streams) == num_sentences:
        hint = (
            "; if each entry holds all references of one sentence, call "
            "`streams_from_groups(references)` first"
        )
    raise ValueError(
        "`references` must have one entry per sentence in each stream. Received: "
        f"{num_sentences} sentences and {received}{hint}."
    )


def _not_a_string(name: str, value: Any, index: int) -> str:
    hint = "; decode it as UTF-8 first" if isinstance(value, bytes) else ""
    return (
        f"`{name}` must hold strings only. Received: {value!r} of type {type(value).__name__} at "
        f"index {index}{hint}."
    )
