"""Connections of the synchronous client."""

from __future__ import annotations

from typing import Protocol

import grpc
import httpx
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
)

from keras_attn.serving.client import grpc_protocol, rest_protocol
from keras_attn.serving.client.model_version import ModelVersion
from keras_attn.serving.client.prediction import Answer, Prediction
from keras_attn.serving.client.server_address import ServerAddress


class Channel(Protocol):
    """A connection to a server. Several threads may use it at once."""

    def predict(self, prediction: Prediction, seconds: float) -> Answer:
        """Sends a request once.

        Raises:
            ServingError: if it fails.
        """
        ...

    def versions(self, model: str, seconds: float) -> list[ModelVersion]:
        """The states of a model's versions."""
        ...

    def close(self) -> None:
        """Closes the connection."""
        ...


def open_channel(address: ServerAddress) -> Channel:
    """Opens a connection; nothing is sent yet.

    Args:
        address: `ServerAddress`.

    Returns:
        `Channel`.
    """
    return GrpcChannel(address) if address.is_grpc else RestChannel(address)


class RestChannel:
    """A REST connection.

    Args:
        address: `ServerAddress`.
    """

    def __init__(self, address: ServerAddress) -> None:
        self._url = address.url
        self._http = httpx.Client(trust_env=False)

    def predict(self, prediction: Prediction, seconds: float) -> Answer:
        """Sends a request once."""
        path = rest_protocol.predict_path(prediction)
        body = rest_protocol.write_body(prediction)
        return rest_protocol.read_answer(self._send("POST", path, seconds, body), prediction)

    def versions(self, model: str, seconds: float) -> list[ModelVersion]:
        """The states of a model's versions."""
        response = self._send("GET", rest_protocol.model_path(model, None, None), seconds)
        return rest_protocol.read_versions(response)

    def close(self) -> None:
        """Closes the connection."""
        self._http.close()

    def _send(
        self, method: str, path: str, seconds: float, body: bytes | None = None
    ) -> httpx.Response:
        url = f"{self._url}{path}"
        try:
            return self._http.request(method, url, content=body, timeout=seconds)
        except httpx.HTTPError as error:
            raise rest_protocol.connection_error(error, url) from error


class GrpcChannel:
    """A gRPC connection.

    Args:
        address: `ServerAddress`.
    """

    def __init__(self, address: ServerAddress) -> None:
        self._target = address.target
        options = grpc_protocol.CHANNEL_OPTIONS
        self._channel = (
            grpc.secure_channel(self._target, grpc.ssl_channel_credentials(), options)
            if address.is_secure
            else grpc.insecure_channel(self._target, options)
        )
        self._predictions = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._models = model_service_pb2_grpc.ModelServiceStub(self._channel)

    def predict(self, prediction: Prediction, seconds: float) -> Answer:
        """Sends a request once."""
        request = grpc_protocol.write_request(prediction)
        try:
            return grpc_protocol.read_response(self._predictions.Predict(request, timeout=seconds))
        except grpc.RpcError as error:
            raise grpc_protocol.rpc_error(error, self._target) from error

    def versions(self, model: str, seconds: float) -> list[ModelVersion]:
        """The states of a model's versions."""
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = model
        try:
            response = self._models.GetModelStatus(request, timeout=seconds)
        except grpc.RpcError as error:
            raise grpc_protocol.rpc_error(error, self._target) from error
        return grpc_protocol.read_versions(response)

    def close(self) -> None:
        """Closes the connection."""
        self._channel.close()
