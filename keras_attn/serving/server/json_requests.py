"""Requests in TensorFlow Serving's JSON: by row or by column, `b64` for bytes."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

from keras_attn.serving.server.input_checks import refuse

_KEYS = {"signature_name", "instances", "inputs"}
_MOST_AXES = 8
# Types whose name in the protos is not Python's.
_NAMES = {"float32": "float", "float64": "double"}


def parse_json(body: bytes) -> Any:
    """Reads the JSON of a request.

    Args:
        body: bytes.

    Returns:
        The value.

    Raises:
        SessionError: INVALID_ARGUMENT.
    """
    if not body.strip():
        refuse("JSON Parse error: The document is empty")
    try:
        return json.loads(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        refuse(f"JSON Parse error: Invalid encoding in string. at offset: {error.start}")
    except json.JSONDecodeError as error:
        refuse(f"JSON Parse error: {error.msg} at offset: {error.pos}")
    except (RecursionError, ValueError) as error:  # ValueError: a number of thousands of digits
        refuse(f"JSON Parse error: {error}")


def read_signature_name(body: bytes) -> str:
    """Reads the signature name from a request of any kind.

    Args:
        body: bytes.

    Returns:
        str. Empty for the default one.

    Raises:
        SessionError: INVALID_ARGUMENT.
    """
    return _signature_name(_parse_object(body))


def read_predict_request(body: bytes) -> tuple[str, bool, Any]:
    """Reads the outer object of a Predict request.

    Args:
        body: bytes.

    Returns:
        tuple of the signature's name ("" for the default), whether the request is by row, and its
        instances or inputs.

    Raises:
        SessionError: INVALID_ARGUMENT.
    """
    request = _parse_object(body)
    unknown = sorted(set(request) - _KEYS)
    if unknown:
        refuse(f"Unknown key {unknown[0]!r}; expecting {', '.join(sorted(_KEYS))}")
    signature = _signature_name(request)
    if "instances" in request and "inputs" in request:
        refuse(
            "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist"
        )
    if "instances" in request:
        instances = request["instances"]
        if not isinstance(instances, list):
            refuse("Expecting 'instances' to be an list/array")
        if not instances:
            refuse("No values in 'instances' array")
        return signature, True, instances
    if "inputs" not in request:
        refuse("Missing 'inputs' or 'instances' key")
    return signature, False, request["inputs"]


def _parse_object(body: bytes) -> dict[str, Any]:
    request = parse_json(body)
    if not isinstance(request, dict):
        refuse(f"JSON Value: {_shown(request)} Is not object")
    return request


def _signature_name(request: dict[str, Any]) -> str:
    signature = request.get("signature_name", "")
    if not isinstance(signature, str):
        refuse("'signature_name' key must be a string value.")
    return signature


def read_inputs(
    definition: meta_graph_pb2.SignatureDef, by_row: bool, value: Any
) -> dict[str, np.ndarray]:
    """Makes arrays from instances or inputs.

    Args:
        definition: SignatureDef.
        by_row: bool. Whether `value` is a list of instances.
        value: JSON.

    Returns:
        dict of str to array.

    Raises:
        SessionError: INVALID_ARGUMENT.
    """
    columns = _columns_of_rows(definition, value) if by_row else _columns(definition, value)
    return {name: _to_array(column, definition.inputs[name]) for name, column in columns.items()}


def _columns_of_rows(
    definition: meta_graph_pb2.SignatureDef, instances: list[Any]
) -> dict[str, list[Any]]:
    names = sorted(definition.inputs)
    are_objects = {_is_named(instance) for instance in instances}
    if are_objects == {False}:
        if len(names) != 1:
            refuse(
                "instances is a plain list, but expecting list of objects as multiple input "
                f"tensors required as per tensorinfo_map: {names}"
            )
        return {names[0]: instances}
    if are_objects != {True}:
        refuse("Expecting all 'instances' to be objects, or none of them")
    for i, instance in enumerate(instances):
        if set(instance) != set(names):
            refuse(
                f"Failed to process element: {i} of 'instances' list. JSON object: "
                f"{_shown(instance)} keys must be equal to: {','.join(names)}"
            )
    return {name: [instance[name] for instance in instances] for name in names}


def _columns(definition: meta_graph_pb2.SignatureDef, value: Any) -> dict[str, Any]:
    names = sorted(definition.inputs)
    if not _is_named(value):
        if len(names) != 1:
            refuse(
                "inputs is a plain value/list, but expecting an object as multiple input tensors "
                f"required as per tensorinfo_map: {names}"
            )
        return {names[0]: value}
    for name in names:
        if name not in value:
            refuse(f"Missing named input: {name} in 'inputs' object.")
    extra = sorted(set(value) - set(names))
    if extra:
        refuse(f"Unknown named input: {extra[0]} in 'inputs' object; expecting {names}.")
    return {name: value[name] for name in names}


def _is_named(value: Any) -> bool:
    """Whether a value is an object of named values, and not bytes in `b64`."""
    return isinstance(value, dict) and set(value) != {"b64"}


def _to_array(value: Any, info: meta_graph_pb2.TensorInfo) -> np.ndarray:
    """Makes an array from nested lists, all of the same shape."""
    shape: list[int] = []
    level = value
    while isinstance(level, list):
        shape.append(len(level))
        if len(shape) > _MOST_AXES:
            refuse(f"JSON Value has more than {_MOST_AXES} axes")
        level = level[0] if level else None
    leaves: list[Any] = []
    _flatten(value, shape, leaves)
    dtype = tf.dtypes.as_dtype(info.dtype)
    convert = _to_bytes if dtype == tf.string else _to_number
    array = np.empty(len(leaves), object)
    for i, leaf in enumerate(leaves):
        array[i] = convert(leaf, dtype)
    if dtype != tf.string:
        try:
            array = array.astype(dtype.as_numpy_dtype)
        except (OverflowError, TypeError, ValueError):
            refuse(f"JSON Value is not of expected type: {dtype.name}")
    return array.reshape(shape)


def _flatten(value: Any, shape: list[int], leaves: list[Any]) -> None:
    if not shape:
        if isinstance(value, list):
            refuse(f"Encountered list at unexpected level: {_shown(value)}")
        leaves.append(value)
        return
    if not isinstance(value, list):
        refuse(f"JSON Value: {_shown(value)} expecting a list")
    if len(value) != shape[0]:
        refuse(f"Expecting tensor size: {shape[0]} but got: {len(value)}")
    for one in value:
        _flatten(one, shape[1:], leaves)


def _to_bytes(value: Any, dtype: tf.DType) -> bytes:
    if isinstance(value, dict) and set(value) == {"b64"} and isinstance(value["b64"], str):
        try:
            return base64.b64decode(value["b64"], validate=True)
        except (binascii.Error, ValueError):
            refuse("Unable to base64 decode")
    if not isinstance(value, str):
        refuse(f"JSON Value: {_shown(value)} Type: {_type(value)} is not of expected type: string")
    try:
        encoded: bytes = value.encode("utf-8")
    except UnicodeEncodeError:
        refuse("JSON Parse error: The surrogate pair in string is invalid.")
    return encoded


def _to_number(value: Any, dtype: tf.DType) -> Any:
    kinds = (bool,) if dtype == tf.bool else (int,) if dtype.is_integer else (int, float)
    if not isinstance(value, kinds) or (isinstance(value, bool) and dtype != tf.bool):
        refuse(
            f"JSON Value: {_shown(value)} Type: {_type(value)} is not of expected type: "
            f"{_NAMES.get(dtype.name, dtype.name)}"
        )
    return value


def _shown(value: Any) -> str:
    return str(value)[:80]


def _type(value: Any) -> str:
    """The type of a value in JSON's terms."""
    if isinstance(value, bool):
        return str(value)
    names = {dict: "Object", list: "Array", str: "String", type(None): "Null"}
    return names.get(type(value), "Number")
