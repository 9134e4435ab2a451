"""Requests and answers of TensorFlow Serving's REST interface; the channels send them."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import httpx

from keras_attn.serving.client.model_version import ModelVersion
from keras_attn.serving.client.prediction import Answer, Prediction, to_array
from keras_attn.serving.client.serving_error import ServingError
from keras_attn.serving.status_code import StatusCode

# These include the statuses of proxies. Any other status from 400 on is UNKNOWN.
_CODES = {
    400: StatusCode.INVALID_ARGUMENT,
    401: StatusCode.UNAUTHENTICATED,
    403: StatusCode.PERMISSION_DENIED,
    404: StatusCode.NOT_FOUND,
    408: StatusCode.DEADLINE_EXCEEDED,
    409: StatusCode.ABORTED,
    413: StatusCode.INVALID_ARGUMENT,
    429: StatusCode.RESOURCE_EXHAUSTED,
    499: StatusCode.CANCELLED,
    501: StatusCode.UNIMPLEMENTED,
    502: StatusCode.UNAVAILABLE,
    503: StatusCode.UNAVAILABLE,
    504: StatusCode.DEADLINE_EXCEEDED,
}
_LONGEST_MESSAGE, _LONGEST_PAGE = 1024, 100
_ONLY_OUTPUTS = {"score": "log_probability"}


def model_path(model: str, version: int | None, label: str | None) -> str:
    """The path of a model in URLs.

    Args:
        model: str.
        version: int or None.
        label: str or None.

    Returns:
        str.

    Example:

    >>> model_path("en_de", 3, None)
    '/v1/models/en_de/versions/3'
    """
    path = f"/v1/models/{quote(model, safe='')}"
    if version is not None:
        return f"{path}/versions/{version}"
    return path if label is None else f"{path}/labels/{quote(label, safe='')}"


def predict_path(prediction: Prediction) -> str:
    """The path of a Predict request.

    Args:
        prediction: `Prediction`.

    Returns:
        str.
    """
    return f"{model_path(prediction.model, prediction.version, prediction.label)}:predict"


def write_body(prediction: Prediction) -> bytes:
    """The body of a Predict request, in column format.

    Args:
        prediction: `Prediction`.

    Returns:
        bytes. JSON.
    """
    body = {"signature_name": prediction.signature, "inputs": prediction.inputs}
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


def read_answer(response: httpx.Response, prediction: Prediction) -> Answer:
    """Reads the answer to a Predict request.

    Args:
        response: httpx.Response.
        prediction: `Prediction`. The request.

    Returns:
        `Answer`.

    Raises:
        ServingError: if the server answered with an error, or with something that TensorFlow
            Serving never answers.
    """
    outputs = read_json(response).get("outputs")
    if outputs is None:
        raise ServingError(StatusCode.UNKNOWN, f"No `outputs` in the answer: {response.text[:200]}")
    if not isinstance(outputs, dict):  # TensorFlow Serving does not name a single output
        outputs = {_ONLY_OUTPUTS.get(prediction.signature, "output"): outputs}
    try:
        return Answer({name: to_array(value) for name, value in outputs.items()})
    except ValueError as error:  # lists of different lengths, which are no tensor
        raise ServingError(
            StatusCode.UNKNOWN, f"An output in the answer is not a tensor: {response.text[:200]}"
        ) from error


def read_versions(response: httpx.Response) -> list[ModelVersion]:
    """Reads the states of a model's versions.

    Args:
        response: httpx.Response.

    Returns:
        list of `ModelVersion`.

    Raises:
        ServingError: if the server answered with an error, or with something that TensorFlow
            Serving never answers.
    """
    content = read_json(response)
    try:
        return [
            ModelVersion(int(one["version"]), one["state"], one["status"]["error_message"])
            for one in content.get("model_version_status", [])
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise ServingError(
            StatusCode.UNKNOWN, f"No states of versions in the answer: {response.text[:200]}"
        ) from error


def read_json(response: httpx.Response) -> dict[str, Any]:
    """Reads the JSON object of an answer.

    Args:
        response: httpx.Response.

    Returns:
        dict.

    Raises:
        ServingError: if the answer is an error, or not an object.
    """
    try:
        content = json.loads(response.content)
    except ValueError:
        content = None
    if response.status_code >= 400:
        message = content.get("error") if isinstance(content, dict) else None
        if not message:  # from a proxy, or another server: perhaps a page in HTML
            page = " ".join(response.text.split())[:_LONGEST_PAGE]
            message = f"{response.reason_phrase}, and no error of TensorFlow Serving: {page!r}"
        message = str(message)[:_LONGEST_MESSAGE]
        code = _CODES.get(response.status_code, StatusCode.UNKNOWN)
        raise ServingError(code, f"{message} (HTTP {response.status_code})")
    if not isinstance(content, dict):
        raise ServingError(
            StatusCode.UNKNOWN,
            f"The answer of {response.url} is not a JSON object, so the server is not TensorFlow "
            f"Serving: {response.text[:100]!r}",
        )
    return content


def connection_error(error: httpx.HTTPError, url: str) -> ServingError:
    """Converts the error of a failed connection to a `ServingError`.

    Args:
        error: httpx.HTTPError.
        url: str.

    Returns:
        `ServingError`.
    """
    if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout):
        return ServingError(StatusCode.DEADLINE_EXCEEDED, f"No answer from {url} in time")
    if isinstance(error, httpx.TransportError) and not isinstance(error, httpx.UnsupportedProtocol):
        return ServingError(
            StatusCode.UNAVAILABLE,
            f"No connection to {url}: {type(error).__name__}: {error or 'broken'}",
        )
    return ServingError(StatusCode.UNKNOWN, f"{url}: {type(error).__name__}: {error}")
