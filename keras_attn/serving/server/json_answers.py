"""Answers in TensorFlow Serving's JSON, by row or by column like the request."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_attn.serving.saved_model_session import SessionError
from keras_attn.serving.status_code import StatusCode


def write_outputs(outputs: Mapping[str, np.ndarray], by_row: bool) -> bytes:
    """Writes an answer, by row or by column like the request.

    Args:
        outputs: mapping of str to array.
        by_row: bool.

    Returns:
        bytes. JSON.

    Raises:
        SessionError: if the answer is by row and the outputs have no common first axis.
    """
    columns = {name: _to_json(name, array) for name, array in outputs.items()}
    if not by_row:
        (only,) = columns.values() if len(columns) == 1 else (columns,)
        return _dump({"outputs": only})
    sizes = {name: array.shape[:1] for name, array in outputs.items()}
    expected = next(iter(sizes.values()))
    for name, size in sizes.items():
        if not size or size != expected:
            raise SessionError(
                StatusCode.INVALID_ARGUMENT,
                f"Tensor name: {name} has inconsistent batch size: {list(size)} "
                f"expecting: {list(expected)}",
            )
    if len(columns) == 1:
        return _dump({"predictions": next(iter(columns.values()))})
    rows = zip(*columns.values(), strict=True)
    return _dump({"predictions": [dict(zip(columns, row, strict=True)) for row in rows]})


def _to_json(name: str, array: np.ndarray) -> Any:
    if array.dtype == object:
        encode = _b64 if name.endswith("_bytes") else _text
        return _map(encode, array)
    if array.dtype == np.float32:  # the shortest digits of a float32, not those of its float64
        return _map(_short_float, array)
    return array.tolist()


def _map(convert: Any, array: np.ndarray) -> Any:
    converted = np.empty(array.size, object)
    for i, value in enumerate(array.ravel()):
        converted[i] = convert(value)
    return converted.reshape(array.shape).tolist()


def _b64(value: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(value).decode("ascii")}


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _short_float(value: np.float32) -> float:
    return float(str(value)) if math.isfinite(value) else float(value)


def _dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8")
