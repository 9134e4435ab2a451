"""Checks the inputs of requests before they are joined with those of others."""

from __future__ import annotations

from typing import NoReturn

import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

from keras_attn.serving.saved_model_session import SessionError
from keras_attn.serving.server.batcher import Arrays
from keras_attn.serving.status_code import StatusCode


def check_inputs(
    definition: meta_graph_pb2.SignatureDef, inputs: Arrays, most_lines: int, most_bytes: int
) -> None:
    """Checks the inputs of a request before they are joined with others.

    The graph checks shapes, as in TensorFlow Serving: those in a signature may be wrong.

    Args:
        definition: SignatureDef.
        inputs: mapping of str to array.
        most_lines: int. The maximum size of the first axis.
        most_bytes: int. The maximum size of one string.

    Raises:
        SessionError: INVALID_ARGUMENT.
    """
    _check_names(definition, inputs)
    sizes = set()
    for name, array in inputs.items():
        info = definition.inputs[name]
        expected = tf.dtypes.as_dtype(info.dtype)
        given = tf.string if array.dtype == object else tf.dtypes.as_dtype(array.dtype)
        if given != expected:
            refuse(f"Expects {name} to be {expected.name} but {given.name} is provided")
        if array.ndim:
            sizes.add(len(array))
        if array.ndim and len(array) > most_lines:
            refuse(f"`{name}` must have at most {most_lines} lines. Received: {len(array)}.")
        if given == tf.string:
            longest = max(map(len, array.ravel()), default=0)
            if longest > most_bytes:
                refuse(
                    f"`{name}` must have lines of at most {most_bytes} bytes. Received: {longest}."
                )
    if len(sizes) > 1:
        refuse(f"Inputs must have the same first axis. Received: {sorted(sizes)}.")


def _check_names(definition: meta_graph_pb2.SignatureDef, inputs: Arrays) -> None:
    if set(inputs) == set(definition.inputs):
        return
    extra = ",".join(sorted(set(inputs) - set(definition.inputs)))
    missing = ",".join(sorted(set(definition.inputs) - set(inputs)))
    refuse(
        f"input size does not match signature: {len(inputs)}!={len(definition.inputs)} "
        f"len({{{','.join(sorted(inputs))}}}) != len({{{','.join(sorted(definition.inputs))}}}). "
        f"Sent extra: {{{extra}}}. Missing but required: {{{missing}}}."
    )


def refuse(message: str) -> NoReturn:
    """Refuses an invalid request.

    Args:
        message: str.

    Raises:
        SessionError: INVALID_ARGUMENT.
    """
    raise SessionError(StatusCode.INVALID_ARGUMENT, message)
