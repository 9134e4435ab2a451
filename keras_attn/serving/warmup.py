"""Warm-up requests: a server answers them before it serves a new version."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from keras_attn.serving.signatures import DEFAULT_SIGNATURE, SIGNATURES
from keras_attn.translator import Translator
from keras_attn.translator.compiled_search import compiled_lengths

WARMUP_PATH = "assets.extra/tf_serving_warmup_requests"  # the only name that a server reads
MOST_REQUESTS = 1000  # a version with more of them does not load
BATCH_SIZES = (1, 8, 32)
FEW = 3  # lines


def write_warmup(
    version_directory: Path,
    signatures: list[str],
    texts: list[str],
    targets: list[str],
    more_lines: Sequence[str] = (),
) -> None:
    """Writes a request for each signature and batch size.

    The first request of a signature builds its plan, which takes a second or more. A server that
    finds this file does that before the version gets real requests.

    Args:
        version_directory: Path.
        signatures: list of str. The signatures of the model.
        texts: list of str. Lines like those of real requests. Only the first few are used: the plan
            does not depend on them, and a server should not wait long for a new version.
        targets: list of str. Translations of `texts`, for `score`.
        more_lines: sequence of str. Each fills a request of each batch size to `serving_default`;
            see `lines_of_lengths`.
    """
    path = version_directory / WARMUP_PATH
    path.parent.mkdir(exist_ok=True)
    lines = {"text": texts[:FEW], "target": targets[:FEW]}
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature in signatures:
            for size in BATCH_SIZES:
                inputs = {
                    name: list(itertools.islice(itertools.cycle(lines[name]), size))
                    for name in SIGNATURES[signature].inputs
                }
                writer.write(_record(signature, inputs))
        for line in more_lines:
            for size in BATCH_SIZES:
                writer.write(_record(DEFAULT_SIGNATURE, {"text": [line] * size}))


def lines_of_lengths(translator: Translator, texts: list[str]) -> list[str]:
    """Makes a line of the length of each program that XLA compiles.

    Args:
        translator: `Translator`.
        texts: list of str. The lines are made of their characters.

    Returns:
        list of str, one for each of `compiled_lengths`.
    """
    graph = translator.graph

    def count(line: str) -> int:  # with the end token
        return int(graph.source_pieces(tf.constant([line])).row_lengths()[0]) + 1

    # A character of one token, or of few, so that a line grows in small steps.
    characters = [one for one in sorted({*"".join(texts)}) if count(one) > 1] or ["a"]
    one = min(characters, key=count)
    lines, shorter = [], 0
    for length in compiled_lengths(graph.source_limit + 1):
        line = one
        for _ in range(length):
            if count(line) > shorter:
                break
            line = f"{line} {one}"
        lines.append(line)
        shorter = length
    return lines


def read_warmup(version_directory: Path) -> list[tuple[str, dict[str, np.ndarray]]]:
    """Reads the requests as a server does.

    Args:
        version_directory: Path.

    Returns:
        list of (signature, inputs as arrays); empty if there is no file.

    Raises:
        ValueError: if a server would refuse to load the version.
    """
    path = version_directory / WARMUP_PATH
    if not path.exists():
        return []
    requests = []
    try:
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            log = prediction_log_pb2.PredictionLog.FromString(record)
            if log.WhichOneof("log_type") != "predict_log":
                raise ValueError("it contains requests other than Predict")
            request = log.predict_log.request
            inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
            requests.append((request.model_spec.signature_name or DEFAULT_SIGNATURE, inputs))
    except (tf.errors.OpError, DecodeError, ValueError) as error:
        raise ValueError(
            f"{WARMUP_PATH} cannot be read: {error}. Export the model again."
        ) from error
    if len(requests) > MOST_REQUESTS:
        raise ValueError(
            f"{WARMUP_PATH} must hold at most {MOST_REQUESTS} requests. Received: {len(requests)}."
        )
    return requests


def _record(signature: str, inputs: dict[str, list[str]]) -> bytes:
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = signature
    for name, lines in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(lines, tf.string))
    log = prediction_log_pb2.PredictLog(request=request)
    return bytes(prediction_log_pb2.PredictionLog(predict_log=log).SerializeToString())
