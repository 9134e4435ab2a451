"""TensorFlow Serving's gRPC interface: PredictionService, ModelService, and health."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import message_factory
from google.protobuf.message import DecodeError
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    model_pb2,
    model_service_pb2,
    predict_pb2,
    prediction_service_pb2,
)

from keras_attn.serving.saved_model_session import SessionError
from keras_attn.serving.server.input_checks import refuse
from keras_attn.serving.server.model_messages import metadata_of, status_of
from keras_attn.serving.server.predictor import UNKNOWN_MODEL, ModelSpec, Predictor
from keras_attn.serving.signatures import DEFAULT_SIGNATURE
from keras_attn.serving.status_code import StatusCode

_CODES = {code.value[0]: code for code in grpc.StatusCode}
_LONGEST_MESSAGE = 1024
_MOST_AXES = 8
_FIELDS = {
    "bool": "bool_val",
    "float32": "float_val",
    "float64": "double_val",
    "int32": "int_val",
    "int64": "int64_val",
    "object": "string_val",
}


def add_services(server: grpc.aio.Server, predictor: Predictor) -> None:
    """Adds both services to a server.

    Args:
        server: grpc.aio.Server.
        predictor: `Predictor`.
    """
    for file, servicer in (
        (prediction_service_pb2, PredictionService(predictor)),
        (model_service_pb2, ModelService(predictor)),
    ):
        service = file.DESCRIPTOR.services_by_name[type(servicer).__name__]
        handlers = {
            method.name: grpc.unary_unary_rpc_method_handler(
                _with_status(getattr(servicer, method.name)),
                request_deserializer=_reader(message_factory.GetMessageClass(method.input_type)),
                response_serializer=lambda message: message.SerializeToString(),
            )
            for method in service.methods
        }
        handler = grpc.method_handlers_generic_handler(service.full_name, handlers)
        server.add_generic_rpc_handlers([handler])


class PredictionService:
    """Predict and GetModelMetadata; the other methods are for other kinds of models.

    Args:
        predictor: `Predictor`.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    async def Predict(
        self, request: predict_pb2.PredictRequest, context: grpc.aio.ServicerContext
    ) -> predict_pb2.PredictResponse:
        """Computes the outputs of a signature."""
        started, code, name = time.monotonic(), StatusCode.INTERNAL, UNKNOWN_MODEL
        try:
            spec = _spec(request)
            name = spec.name
            response = await self._predict(spec, request, context.time_remaining())
            code = StatusCode.OK
            return response
        except SessionError as error:
            code = StatusCode(error.code)
            raise
        except asyncio.CancelledError:
            code = StatusCode.CANCELLED
            raise
        finally:
            self._predictor.count(name, code, "GRPC", started)

    async def _predict(
        self, spec: ModelSpec, request: predict_pb2.PredictRequest, seconds: float | None
    ) -> predict_pb2.PredictResponse:
        servable = self._predictor.find(spec)
        most = self._predictor.limits.most_lines
        inputs = {name: _to_array(name, value, most) for name, value in request.inputs.items()}
        outputs = await self._predictor.predict(
            servable,
            request.model_spec.signature_name,
            inputs,
            tuple(request.output_filter) or None,
            seconds,
        )
        response = predict_pb2.PredictResponse()
        response.model_spec.name = servable.name
        response.model_spec.version.value = servable.version
        response.model_spec.signature_name = request.model_spec.signature_name or DEFAULT_SIGNATURE
        for name, array in outputs.items():
            response.outputs[name].CopyFrom(_to_proto(array))
        return response

    async def GetModelMetadata(
        self,
        request: get_model_metadata_pb2.GetModelMetadataRequest,
        context: grpc.aio.ServicerContext,
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        """The signatures of a version."""
        fields = list(request.metadata_field)
        if not fields:
            refuse("GetModelMetadataRequest must specify at least one metadata_field")
        for field in fields:
            if field != "signature_def":
                refuse(f"Metadata field {field} is not supported")
        return metadata_of(self._predictor.find(_spec(request)))

    async def Classify(self, request: Any, context: grpc.aio.ServicerContext) -> NoReturn:
        """Refuses the request."""
        self._refuse_kind(request, "classification", "classify")

    async def Regress(self, request: Any, context: grpc.aio.ServicerContext) -> NoReturn:
        """Refuses the request."""
        self._refuse_kind(request, "regression", "regress")

    async def MultiInference(self, request: Any, context: grpc.aio.ServicerContext) -> NoReturn:
        """Refuses the request."""
        if not request.tasks:
            refuse("Inference request must have at least one task")
        self._refuse_kind(request.tasks[0], "classification", "classify")

    def _refuse_kind(self, request: Any, kind: str, method: str) -> NoReturn:
        signature = request.model_spec.signature_name
        self._predictor.refuse_kind(_spec(request), signature, kind, method)


class ModelService:
    """Reports the states of versions and accepts a new configuration.

    Args:
        predictor: `Predictor`.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._store = predictor.store

    async def GetModelStatus(
        self,
        request: get_model_status_pb2.GetModelStatusRequest,
        context: grpc.aio.ServicerContext,
    ) -> get_model_status_pb2.GetModelStatusResponse:
        """The states of a model's versions."""
        spec = _spec(request)
        return status_of(self._store.status(spec.name, spec.version))

    async def HandleReloadConfigRequest(
        self,
        request: model_management_pb2.ReloadConfigRequest,
        context: grpc.aio.ServicerContext,
    ) -> model_management_pb2.ReloadConfigResponse:
        """Moves labels, and changes which versions are loaded."""
        await self._store.reload(request.config)
        return model_management_pb2.ReloadConfigResponse()


def _reader(kind: Any) -> Callable[[bytes], Any]:
    """Makes a reader that returns None for invalid content, to avoid an internal error."""

    def read(content: bytes) -> Any:
        try:
            return kind.FromString(content)
        except DecodeError:
            return None

    return read


def _with_status(answer: Callable[[Any, Any], Awaitable[Any]]) -> Callable[[Any, Any], Any]:
    """Turns a `SessionError` of a method into the status of its call."""

    async def call(request: Any, context: grpc.aio.ServicerContext) -> Any:
        try:
            if request is None:
                refuse("The request is not a message of the method's type")
            return await answer(request, context)
        except SessionError as error:
            message = str(error)
            if len(message) > _LONGEST_MESSAGE:
                message = f"{message[:_LONGEST_MESSAGE]}...TRUNCATED"
            await context.abort(_CODES[int(error.code)], message)

    return call


def _spec(request: Any) -> ModelSpec:
    """Which version a request is for."""
    if not request.HasField("model_spec"):
        refuse("Missing ModelSpec")
    spec: model_pb2.ModelSpec = request.model_spec
    if not spec.name:
        refuse("ModelSpec has no name specified.")
    choice = spec.WhichOneof("version_choice")
    return ModelSpec(
        spec.name,
        spec.version.value if choice == "version" else None,
        spec.version_label if choice == "version_label" else None,
    )


def _values_sent(value: tensor_pb2.TensorProto) -> int:
    """At least the number of values in the message, which has a limit of its own."""
    fields = (field.name for field in value.DESCRIPTOR.fields if field.name.endswith("_val"))
    return max(len(value.tensor_content), *(len(getattr(value, name)) for name in fields))


def _to_array(name: str, value: tensor_pb2.TensorProto, most_elements: int) -> np.ndarray:
    """Reads a tensor. First checks its size, because one value may stand for all elements."""
    sizes = [axis.size for axis in value.tensor_shape.dim]
    # In Python: NumPy's product would overflow.
    elements = 1
    for size in sizes:
        elements *= size
    most_elements = max(most_elements, _values_sent(value))
    if min(sizes, default=0) < 0 or len(sizes) > _MOST_AXES or elements > most_elements:
        refuse(
            f"`{name}` must have at most {most_elements} elements. Received the shape {sizes[:8]}."
        )
    try:
        array = tf.make_ndarray(value)
    except (TypeError, ValueError, KeyError, IndexError, OverflowError) as error:
        refuse(f"`{name}` is not a valid tensor: {error}")
    if array.dtype == object:
        # Strings that are not given are empty; `make_ndarray` fills them in as text.
        given = [one if isinstance(one, bytes) else b"" for one in array.ravel()]
        array.ravel()[:] = given
    return array


def _to_proto(array: np.ndarray) -> tensor_pb2.TensorProto:
    """Writes a tensor into the field of its type, as TensorFlow Serving does, not raw."""
    field = _FIELDS.get(array.dtype.name)
    if field is None:
        return tf.make_tensor_proto(array)
    dtype = tf.string if array.dtype == object else tf.dtypes.as_dtype(array.dtype)
    proto = tensor_pb2.TensorProto(dtype=dtype.as_datatype_enum)
    proto.tensor_shape.CopyFrom(tf.TensorShape(array.shape).as_proto())
    getattr(proto, field).extend(array.ravel().tolist())
    return proto
