"""Checks, computes and counts Predict requests of both interfaces."""

from __future__ import annotations

import dataclasses
import time
from typing import NoReturn

import numpy as np

from keras_attn.serving.saved_model_session import SessionError
from keras_attn.serving.server.input_checks import check_inputs, refuse
from keras_attn.serving.server.model_store import ModelStore
from keras_attn.serving.server.request_limits import RequestLimits
from keras_attn.serving.server.servable import Servable
from keras_attn.serving.server.server_metrics import ServerMetrics
from keras_attn.serving.signatures import DEFAULT_SIGNATURE
from keras_attn.serving.status_code import StatusCode

UNKNOWN_MODEL = "unknown"


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """The model and version that a request is for.

    Args:
        name: str.
        version: int or None.
        label: str or None.
    """

    name: str
    version: int | None = None
    label: str | None = None


class Predictor:
    """Answers Predict requests.

    Args:
        store: `ModelStore`.
        metrics: `ServerMetrics`.
        limits: `RequestLimits`.
    """

    def __init__(self, store: ModelStore, metrics: ServerMetrics, limits: RequestLimits) -> None:
        self.store, self.metrics, self.limits = store, metrics, limits

    def find(self, spec: ModelSpec) -> Servable:
        """Finds the version; see `ModelStore.find`."""
        return self.store.find(spec.name, spec.version, spec.label)

    async def predict(
        self,
        servable: Servable,
        signature: str,
        inputs: dict[str, np.ndarray],
        outputs: tuple[str, ...] | None = None,
        seconds: float | None = None,
    ) -> dict[str, np.ndarray]:
        """Computes the outputs of a request.

        Args:
            servable: `Servable`.
            signature: str; empty for the default one.
            inputs: dict of str to array.
            outputs: tuple of str, or None for all.
            seconds: float or None. How long the client waits.

        Returns:
            dict of str to array.

        Raises:
            SessionError: as TensorFlow Serving would answer.
        """
        name = signature or DEFAULT_SIGNATURE
        definition = servable.signatures.get(name)
        if definition is None:
            raise SessionError(
                StatusCode.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.'
            )
        limits = self.limits
        check_inputs(definition, inputs, limits.most_lines, limits.most_bytes_a_line)
        if outputs is not None:
            for output in outputs:
                if output not in definition.outputs or outputs.count(output) > 1:
                    raise SessionError(
                        StatusCode.INVALID_ARGUMENT,
                        f"output tensor alias not found or given twice in signature: {output} "
                        f"Outputs expected to be in the set {{{','.join(definition.outputs)}}}.",
                    )
        longest = limits.seconds if seconds is None else min(seconds, limits.seconds)
        deadline = time.monotonic() + longest
        return await servable.run(name, inputs, outputs, deadline)

    def refuse_kind(self, spec: ModelSpec, signature: str, kind: str, method: str) -> NoReturn:
        """Refuses a request for a classification or a regression.

        Args:
            spec: `ModelSpec`.
            signature: str; empty for the default one.
            kind: str. `"classification"` or `"regression"`.
            method: str. `"classify"` or `"regress"`.

        Raises:
            SessionError: INVALID_ARGUMENT, as TensorFlow Serving answers, if the signature is for
                Predict; UNIMPLEMENTED if TensorFlow Serving would compute the request.
        """
        name = signature or DEFAULT_SIGNATURE
        definition = self.find(spec).signatures.get(name)
        if definition is None:
            refuse(f"No signature was found with the name: {name}")
        expected = f"tensorflow/serving/{method}"
        if definition.method_name != expected:
            refuse(
                f"Expected {kind} signature method_name to be {expected}. "
                f"Was: {definition.method_name}"
            )
        raise SessionError(
            StatusCode.UNIMPLEMENTED,
            f"This server is for development and answers Predict only. Use TensorFlow Serving for "
            f"a {kind}.",
        )

    def count(self, model: str, code: int, entrypoint: str, started: float) -> None:
        """Counts an answer.

        Args:
            model: str. The requested model; unknown names are counted together.
            code: int.
            entrypoint: str. `"REST"` or `"GRPC"`.
            started: float. `time.monotonic()` at the start of the request.
        """
        known = model if model in self.store.names else UNKNOWN_MODEL
        self.metrics.count_request(known, StatusCode(code).name)
        if code == StatusCode.OK:
            seconds = time.monotonic() - started
            self.metrics.observe_latency(known, "Predict", entrypoint, seconds)
