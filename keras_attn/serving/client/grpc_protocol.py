"""Requests and answers of TensorFlow Serving's gRPC interface; the channels send them."""

from __future__ import annotations

import grpc
import tensorflow as tf
from tensorflow_serving.apis import get_model_status_pb2, predict_pb2

from keras_attn.serving.client.model_version import ModelVersion
from keras_attn.serving.client.prediction import Answer, Prediction, to_array
from keras_attn.serving.client.serving_error import ServingError
from keras_attn.serving.status_code import StatusCode

CHANNEL_OPTIONS = [
    # Answers may exceed gRPC's 4 MiB, such as the attention of many lines.
    ("grpc.max_receive_message_length", 256 * 2**20),
    # Until the next attempt to connect, every request fails at once. gRPC would wait up to 2
    # minutes for it, though the server has long been back.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
]


def write_request(prediction: Prediction) -> predict_pb2.PredictRequest:
    """Makes a PredictRequest.

    Args:
        prediction: `Prediction`.

    Returns:
        PredictRequest.
    """
    request = predict_pb2.PredictRequest()
    spec = request.model_spec
    spec.name, spec.signature_name = prediction.model, prediction.signature
    if prediction.version is not None:
        spec.version.value = prediction.version
    elif prediction.label is not None:
        spec.version_label = prediction.label
    for name, lines in prediction.inputs.items():
        encoded = [line.encode("utf-8", "replace") for line in lines]
        request.inputs[name].CopyFrom(tf.make_tensor_proto(encoded, tf.string, [len(lines)]))
    return request


def read_response(response: predict_pb2.PredictResponse) -> Answer:
    """Reads a PredictResponse.

    Args:
        response: PredictResponse.

    Returns:
        `Answer`.
    """
    outputs = {name: to_array(tf.make_ndarray(value)) for name, value in response.outputs.items()}
    return Answer(outputs, response.model_spec.version.value)


def read_versions(response: get_model_status_pb2.GetModelStatusResponse) -> list[ModelVersion]:
    """Reads the states of a model's versions.

    Args:
        response: GetModelStatusResponse.

    Returns:
        list of `ModelVersion`.
    """
    states = get_model_status_pb2.ModelVersionStatus.State
    return [
        ModelVersion(one.version, states.Name(one.state), one.status.error_message)
        for one in response.model_version_status
    ]


def rpc_error(error: grpc.RpcError, target: str) -> ServingError:
    """Converts the error of a failed call to a `ServingError`.

    Args:
        error: grpc.RpcError.
        target: str. The address.

    Returns:
        `ServingError`.
    """
    code = StatusCode(error.code().value[0])
    return ServingError(code, f"{error.details() or code.name} ({target})")
