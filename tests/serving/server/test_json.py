"""TensorFlow Serving's JSON, as its documentation and its source describe it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

from keras_attn.serving.saved_model_session import SessionError
from keras_attn.serving.server.json_answers import write_outputs
from keras_attn.serving.server.json_requests import read_inputs, read_predict_request


def definition(**dtypes):
    made = meta_graph_pb2.SignatureDef()
    for name, dtype in dtypes.items():
        made.inputs[name].dtype = tf.dtypes.as_dtype(dtype).as_datatype_enum
    return made


TEXT, TWO = definition(text="string"), definition(text="string", target="string")


def read(body, signature=TEXT):
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    _, by_row, value = read_predict_request(text)
    inputs = read_inputs(signature, by_row, value)
    return {name: array.tolist() for name, array in inputs.items()}


@pytest.mark.parametrize(
    "body",
    [
        {"instances": ["a", "\u4e16"]},
        {"instances": [{"text": "a"}, {"text": "\u4e16"}]},
        {"instances": [{"b64": "YQ=="}, {"b64": "5LiW"}]},
        {"instances": [{"text": {"b64": "YQ=="}}, {"text": "\u4e16"}]},
        {"inputs": ["a", "\u4e16"]},
        {"inputs": {"text": ["a", "\u4e16"]}},
        {"inputs": {"text": ["a", {"b64": "5LiW"}]}, "signature_name": "serving_default"},
    ],
)
def test_every_way_to_write_two_lines(body) -> None:
    assert read(body) == {"text": [b"a", "\u4e16".encode()]}


def test_two_inputs_by_row_and_by_column() -> None:
    expected = {"text": [b"a", b"b"], "target": [b"c", b"d"]}
    rows = [{"text": "a", "target": "c"}, {"text": "b", "target": "d"}]
    assert read({"instances": rows}, TWO) == expected
    assert read({"inputs": {"text": ["a", "b"], "target": ["c", "d"]}}, TWO) == expected


def test_numbers_have_the_type_of_the_signature() -> None:
    signature = definition(x="float32", n="int64", is_on="bool")
    body = {"inputs": {"x": [[1, 2.5]], "n": [3], "is_on": [True]}}
    _, by_row, value = read_predict_request(json.dumps(body).encode())
    inputs = read_inputs(signature, by_row, value)
    assert inputs["x"].dtype == np.float32 and inputs["x"].tolist() == [[1.0, 2.5]]
    assert inputs["n"].dtype == np.int64 and inputs["is_on"].dtype == np.bool_


def test_shapes_are_kept() -> None:
    assert read({"inputs": "a"}) == {"text": b"a"}
    assert read({"inputs": []}) == {"text": []}
    assert read({"instances": [["a", "b"], ["c", "d"]]}) == {"text": [[b"a", b"b"], [b"c", b"d"]]}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "The document is empty"),
        (b"{", "JSON Parse error: .* at offset: 1"),
        (b'{"instances": ["\xff"]}', "Invalid encoding in string"),
        (b"[" * 100_000, "JSON Parse error"),
        (b'{"instances": [' + b"9" * 5000 + b"]}", "JSON Parse error"),
        (b'{"instances": ["\\ud800"]}', "surrogate pair in string is invalid"),
        (["a"], "Is not object"),
        ({"signature_name": 1, "inputs": ["a"]}, "'signature_name' key must be a string"),
        ({"instances": ["a"], "inputs": ["a"]}, "only one of 'inputs' or 'instances'"),
        ({}, "Missing 'inputs' or 'instances' key"),
        ({"instances": []}, "No values in 'instances' array"),
        ({"instances": "a"}, "Expecting 'instances' to be an list/array"),
        ({"instances": ["a"], "path": "/etc"}, "Unknown key 'path'"),
        ({"instances": [1]}, "JSON Value: 1 Type: Number is not of expected type: string"),
        ({"instances": [None]}, "Type: Null is not of expected type: string"),
        ({"instances": ["a", {"text": "b"}]}, "Expecting all 'instances' to be objects"),
        ({"instances": [{"text": "a", "more": 1}]}, "Failed to process element"),
        ({"instances": [["a", "b"], ["c"]]}, "Expecting tensor size: 2 but got: 1"),
        ({"instances": [["a"], "b"]}, "expecting a list"),
        ({"instances": [{"b64": "?"}]}, "Unable to base64 decode"),
        ({"instances": [{"b64": "_-8="}]}, "Unable to base64 decode"),
        ({"inputs": {"more": ["a"]}}, "Missing named input: text in 'inputs' object."),
        ({"inputs": {"text": ["a"], "more": 1}}, "Unknown named input: more"),
        ({"inputs": [[[[[[[[["a"]]]]]]]]]}, "more than 8 axes"),
    ],
)
def test_what_is_refused(body, message) -> None:
    with pytest.raises(SessionError, match=message) as raised:
        read(body)
    assert raised.value.code == 3


@pytest.mark.parametrize(
    ("value", "message"), [("a", "Type: String"), (True, "Type: True"), (2.5, "Type: Number")]
)
def test_numbers_of_a_wrong_type(value, message) -> None:
    with pytest.raises(SessionError, match=message):
        read({"inputs": {"n": [value]}}, definition(n="int32"))


def test_numbers_too_large_for_their_type() -> None:
    with pytest.raises(SessionError, match="not of expected type: int32"):
        read({"inputs": {"n": [2**80]}}, definition(n="int32"))


def test_a_plain_list_is_refused_for_several_inputs() -> None:
    with pytest.raises(SessionError, match="instances is a plain list"):
        read({"instances": ["a"]}, TWO)
    with pytest.raises(SessionError, match="inputs is a plain value/list"):
        read({"inputs": ["a"]}, TWO)


def objects(*values):
    array = np.empty(len(values), object)
    array[:] = values
    return array


def test_answers_by_row_and_by_column() -> None:
    outputs = {"t": objects(b"a", b"\xc3\xa4"), "s": np.asarray([0.1, -2], np.float32)}
    by_row = json.loads(write_outputs(outputs, True))
    assert by_row == {"predictions": [{"t": "a", "s": 0.1}, {"t": "\u00e4", "s": -2.0}]}
    by_column = json.loads(write_outputs(outputs, False))
    assert by_column == {"outputs": {"t": ["a", "\u00e4"], "s": [0.1, -2.0]}}


def test_an_only_output_has_no_name() -> None:
    outputs = {"s": np.asarray([1, 2], np.float32)}
    assert write_outputs(outputs, True) == b'{"predictions": [1.0, 2.0]}'
    assert write_outputs(outputs, False) == b'{"outputs": [1.0, 2.0]}'


def test_names_in_bytes_and_bytes_that_are_no_text() -> None:
    outputs = {"raw_bytes": objects(b"\xff"), "text": objects(b"\xff")}
    columns = json.loads(write_outputs(outputs, False))["outputs"]
    assert columns == {"raw_bytes": [{"b64": "/w=="}], "text": ["\ufffd"]}


def test_floats_are_those_of_the_model() -> None:
    values = np.asarray([1 / 3, 1e-30, -16777216, np.inf, -np.inf], np.float32)
    read_back = json.loads(write_outputs({"s": values}, False))["outputs"]
    np.testing.assert_array_equal(np.asarray(read_back, np.float32), values)
    assert b"NaN" in write_outputs({"s": np.asarray([np.nan], np.float32)}, False)


def test_rows_need_one_first_axis() -> None:
    outputs = {"a": np.zeros(2), "b": np.zeros(3)}
    with pytest.raises(SessionError, match="Tensor name: b has inconsistent batch size"):
        write_outputs(outputs, True)
