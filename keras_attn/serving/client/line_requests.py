"""Turns lines into requests of a bounded size, and answers into rows in the lines' order."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from keras_attn.lines.check_texts import check_texts
from keras_attn.lines.special_tokens import SPECIAL_PIECES
from keras_attn.lines.translation import Translation
from keras_attn.serving.client.prediction import Answer, Prediction
from keras_attn.serving.client.serving_error import ServingError
from keras_attn.serving.monitoring.line_facts import LineFacts, describe_line
from keras_attn.serving.row_translation import Row
from keras_attn.serving.status_code import StatusCode
from keras_attn.system.argument_checks import check_integer

# An eighth of what a development server takes, and room for 16 of the longest lines.
_MOST_BYTES = 2**20
# Below it is the score of a place that no hypothesis fills.
_SCORE_OF_NOTHING = -1e30


@dataclasses.dataclass(frozen=True)
class LineRequest:
    """Some of the lines of a call.

    Args:
        members: list of int. The indices of its lines in the call.
        prediction: `Prediction`.
    """

    members: list[int]
    prediction: Prediction


@dataclasses.dataclass(frozen=True)
class RequestPlan:
    """Cuts the lines of a call into requests.

    Args:
        model: str.
        version: int or None.
        label: str or None.
        batch_size: int. The maximum number of lines in a request.
    """

    model: str
    version: int | None
    label: str | None
    batch_size: int

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(f"`batch_size` must be at least 1. Received: {self.batch_size}.")
        if self.version is not None and self.label is not None:
            raise ValueError(
                "`version` must be None if a `label` is given. "
                f"Received: {self.version} and {self.label!r}."
            )
        if self.version is not None:
            check_integer("version", self.version, minimum=0)
        if self.label == "":
            raise ValueError("`label` must be the name of a label, or None. Received: ''.")

    def requests(self, signature: str, inputs: Mapping[str, Sequence[str]]) -> list[LineRequest]:
        """Makes the requests for all lines; lines of similar length share a request.

        Args:
            signature: str.
            inputs: mapping of str to sequence of str; one line for each row.

        Returns:
            list of `LineRequest`.

        Raises:
            ValueError: if the inputs are not sequences of str of the same length.
        """
        if not inputs:
            raise ValueError("`inputs` must be given by name, such as text=[...]. Received: none.")
        lines = {name: check_texts(name, texts) for name, texts in inputs.items()}
        sizes = {name: len(texts) for name, texts in lines.items()}
        if len(set(sizes.values())) != 1:
            raise ValueError(f"`inputs` must all have the same number of lines. Received: {sizes}.")
        count = next(iter(sizes.values()))
        # UTF-8 has at most 4 bytes per character.
        bytes_of = [sum(4 * len(texts[i]) for texts in lines.values()) for i in range(count)]
        order = sorted(range(count), key=lambda i: bytes_of[i])
        return [
            LineRequest(
                members,
                Prediction(
                    self.model,
                    signature,
                    {name: [texts[i] for i in members] for name, texts in lines.items()},
                    self.version,
                    self.label,
                ),
            )
            for members in _chunks(order, bytes_of, self.batch_size)
        ]


def _chunks(order: list[int], bytes_of: list[int], most_lines: int) -> Iterator[list[int]]:
    chunk: list[int] = []
    size = 0
    for i in order:
        if chunk and (len(chunk) == most_lines or size + bytes_of[i] > _MOST_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(i)
        size += bytes_of[i]
    if chunk:
        yield chunk


def rows_of(requests: Sequence[LineRequest], answers: Sequence[Answer]) -> list[Row]:
    """The outputs of each line.

    Args:
        requests: sequence of `LineRequest`.
        answers: sequence of `Answer`, one for each request.

    Returns:
        list of dict of str to value or array, in the order of the lines.

    Raises:
        ServingError: if an output does not have a value for each line.
    """
    rows: dict[int, Row] = {}
    for request, answer in zip(requests, answers, strict=True):
        rows |= zip(request.members, _rows_of_one(request, answer), strict=True)
    return [rows[i] for i in range(len(rows))]


class _AnswerRow(dict[str, Any]):
    """The outputs of a line. That one is missing is an error of the server, not of the caller."""

    def __missing__(self, name: str) -> NoReturn:
        raise ServingError(
            StatusCode.FAILED_PRECONDITION,
            f"The model has no output `{name}` in this signature, so `keras-attn export` did not "
            f"write it. Received: {', '.join(self) or 'no outputs'}.",
        )


def _rows_of_one(request: LineRequest, answer: Answer) -> list[Row]:
    count = len(request.members)
    for name, array in answer.outputs.items():
        if array.shape[:1] != (count,):
            raise ServingError(
                StatusCode.UNKNOWN,
                f"The output `{name}` must have a value for each of {count} lines. Received: an "
                f"answer of the shape {list(array.shape)}.",
            )
    return [
        _AnswerRow({name: array[position] for name, array in answer.outputs.items()})
        for position in range(count)
    ]


def facts_of(
    requests: Sequence[LineRequest], answers: Sequence[Answer], keep_text: bool
) -> list[LineFacts]:
    """The facts that a monitor keeps about the lines of a call.

    Args:
        requests: sequence of `LineRequest`, to `translate_with_stats`.
        answers: sequence of `Answer`, one for each request.
        keep_text: bool. Also keep the lines and their translations.

    Returns:
        list of `LineFacts`.
    """
    return [
        describe_line(
            line,
            row,
            answer.version or request.prediction.version,
            answer.seconds,
            keep_text,
        )
        for request, answer in zip(requests, answers, strict=True)
        for line, row in zip(
            request.prediction.inputs["text"], _rows_of_one(request, answer), strict=True
        )
    ]


def to_n_best(source: str, row: Row) -> Translation:
    """Converts a row of `n_best` to its best translation, with the others as alternatives.

    Args:
        source: str.
        row: dict.

    Returns:
        `Translation`. An answer has as many places for every line; those that the search of a line
        did not fill are left out.
    """
    first, *others = (
        Translation(source, text, score=float(score), truncated=None)
        for text, score in zip(row["translations"], row["scores"], strict=True)
    )
    found = tuple(one for one in others if one.score > _SCORE_OF_NOTHING)
    return dataclasses.replace(first, alternatives=found)


def to_attention(source: str, row: Row) -> Translation:
    """Converts a row of `attention` to its translation, with pieces and attention.

    Args:
        source: str.
        row: dict.

    Returns:
        `Translation`.
    """
    sources, targets = int(row["source_length"]), int(row["target_length"])
    pieces = tuple(row["target_pieces"][:targets])
    has_ended = pieces[-1:] == (SPECIAL_PIECES[-1],)  # false if the length limit ended it
    attention = np.asarray(row["attention"], np.float32)[..., :targets, :sources]
    return Translation(
        source,
        row["translation"],
        tokens=pieces[:-1] if has_ended else pieces,
        log_probability=float(np.sum(row["token_log_probability"][:targets])),
        truncated=None,
        source_tokens=tuple(row["source_pieces"][:sources]),
        attention=attention,
    )
