"""TensorFlow Serving's REST interface, as an ASGI application."""

from __future__ import annotations

import asyncio
import re
import time
import zlib
from typing import Any
from urllib.parse import unquote

from google.protobuf import json_format
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from keras_attn.serving.saved_model_session import SessionError
from keras_attn.serving.server.json_answers import write_outputs
from keras_attn.serving.server.json_requests import (
    read_inputs,
    read_predict_request,
    read_signature_name,
)
from keras_attn.serving.server.model_messages import metadata_of, status_of
from keras_attn.serving.server.page_files import page_routes
from keras_attn.serving.server.predictor import UNKNOWN_MODEL, ModelSpec, Predictor
from keras_attn.serving.server.security import SecurityHeaders
from keras_attn.serving.server.servable import Servable
from keras_attn.serving.server.server_metrics import METRICS_PATH
from keras_attn.serving.signatures import DEFAULT_SIGNATURE
from keras_attn.serving.status_code import StatusCode

_MODEL = r"/v1/models/([^/:]+)(?:/versions/(\d{1,19})|/labels/([^/:]+))?"
_PREDICT = re.compile(_MODEL + ":(predict|classify|regress)", re.IGNORECASE)
_KINDS = {"classify": "classification", "regress": "regression"}
_READ = re.compile(_MODEL + "(/metadata)?", re.IGNORECASE)


def make_rest_app(predictor: Predictor, hosts: list[str] | None = None) -> SecurityHeaders:
    """Makes the application.

    Args:
        predictor: `Predictor`.
        hosts: list of str, or None for any. The host names that requests may give, so that a page
            of another site cannot reach a server on this machine through that site's host name.

    Returns:
        `SecurityHeaders` around a Starlette application.
    """
    rest = _Rest(predictor)
    methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    app = Starlette(
        routes=[
            *page_routes(predictor.store.names),
            Route(METRICS_PATH, rest.metrics, methods=["GET"]),
            Route("/{path:path}", rest.answer, methods=methods),
        ]
    )
    return SecurityHeaders(app, hosts)


class _Rest:
    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    async def metrics(self, request: Request) -> Response:
        """Prometheus metrics."""
        text = self._predictor.metrics.text()
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def answer(self, request: Request) -> Response:
        """Answers everything under `/v1`."""
        path = request.scope["raw_path"].decode("ascii", "replace")
        if not path.lower().startswith("/v1/"):
            return _error(StatusCode.NOT_FOUND, f"Not found: {path[:200]}")
        predict, read = _PREDICT.fullmatch(path), _READ.fullmatch(path)
        try:
            if request.method == "POST" and predict is not None:
                return await self._predict(request, predict)
            if request.method in ("GET", "HEAD") and read is not None:
                return self._read(_spec(read), wants_metadata=read[4] is not None)
        except SessionError as error:
            return _error(error.code, str(error))
        message = f"Malformed request: {request.method} {path[:200]}"
        return _error(StatusCode.INVALID_ARGUMENT, message)

    async def _predict(self, request: Request, match: re.Match[str]) -> Response:
        started, code, name = time.monotonic(), StatusCode.INTERNAL, UNKNOWN_MODEL
        try:
            spec, method = _spec(match), match[4].lower()
            name = spec.name
            body = await read_body(request, self._predictor)
            servable = self._predictor.find(spec)
            if method != "predict":
                self._predictor.refuse_kind(spec, read_signature_name(body), _KINDS[method], method)
            answer = await self._compute(servable, body)
            code = StatusCode.OK
            return Response(answer, media_type="application/json")
        except SessionError as error:
            code = StatusCode(error.code)
            raise
        finally:
            self._predictor.count(name, code, "REST", started)

    async def _compute(self, servable: Servable, body: bytes) -> bytes:
        signature, by_row, value = read_predict_request(body)
        definition = servable.signatures.get(signature or DEFAULT_SIGNATURE)
        if definition is None:
            raise SessionError(
                StatusCode.INVALID_ARGUMENT,
                f'Serving signature name: "{signature}" not found in signature def',
            )
        inputs = read_inputs(definition, by_row, value)
        outputs = await self._predictor.predict(servable, signature, inputs)
        return await asyncio.to_thread(write_outputs, outputs, by_row)  # long for attention

    def _read(self, spec: ModelSpec, wants_metadata: bool) -> Response:
        if wants_metadata:
            return _json(metadata_of(self._predictor.find(spec)))
        version = spec.version
        if spec.label is not None:
            version = self._predictor.find(spec).version
        return _json(status_of(self._predictor.store.status(spec.name, version)))


async def read_body(request: Request, predictor: Predictor) -> bytes:
    """Reads the body of a request, as far as the limits allow.

    Args:
        request: Request. Its body may be compressed with gzip.
        predictor: `Predictor`, for its limits.

    Returns:
        bytes.

    Raises:
        SessionError: INVALID_ARGUMENT if it is too large or cannot be uncompressed,
            DEADLINE_EXCEEDED if it arrives too slowly.
    """
    limits = predictor.limits
    body = bytearray()
    try:
        async with asyncio.timeout(limits.receive_seconds):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limits.most_bytes:
                    raise _too_large(limits.most_bytes)
    except TimeoutError:
        raise SessionError(
            StatusCode.DEADLINE_EXCEEDED,
            f"The body did not arrive within {limits.receive_seconds:g} seconds.",
        ) from None
    except ClientDisconnect:
        raise SessionError(StatusCode.CANCELLED, "The client disconnected.") from None
    if request.headers.get("content-encoding", "").lower() != "gzip":
        return bytes(body)
    try:
        decoder = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        plain = decoder.decompress(bytes(body), limits.most_bytes + 1)
    except zlib.error as error:
        raise SessionError(
            StatusCode.INVALID_ARGUMENT, f"Failed to uncompress the body: {error}"
        ) from error
    if len(plain) > limits.most_bytes:
        raise _too_large(limits.most_bytes)
    if not decoder.eof:
        raise SessionError(
            StatusCode.INVALID_ARGUMENT, "Failed to uncompress the body: it is cut short"
        )
    return plain


def _too_large(most: int) -> SessionError:
    return SessionError(
        StatusCode.INVALID_ARGUMENT, f"The body must have at most {most} bytes. Send fewer lines."
    )


def _spec(match: re.Match[str]) -> ModelSpec:
    name, version, label = match[1], match[2], match[3]
    return ModelSpec(
        unquote(name),
        None if version is None else int(version),
        None if label is None else unquote(label),
    )


def _json(message: Any) -> Response:
    text = json_format.MessageToJson(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return Response(text, media_type="application/json")


def _error(code: int, message: str) -> Response:
    # The message may quote half of a surrogate pair, which JSON can write and UTF-8 cannot.
    message = message.encode("utf-8", "replace").decode("utf-8")
    return JSONResponse({"error": message}, StatusCode(code).http_status)
