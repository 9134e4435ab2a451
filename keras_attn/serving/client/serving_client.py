"""The client of a server, for programs and notebooks."""

from __future__ import annotations

import dataclasses
import math
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

from keras_attn.lines.check_texts import check_texts
from keras_attn.lines.review_queue import ReviewQueue
from keras_attn.lines.translation import Translation
from keras_attn.serving.client.availability_wait import AvailabilityWait
from keras_attn.serving.client.channels import open_channel
from keras_attn.serving.client.line_requests import (
    RequestPlan,
    facts_of,
    rows_of,
    to_attention,
    to_n_best,
)
from keras_attn.serving.client.model_version import ModelVersion
from keras_attn.serving.client.prediction import Answer, Prediction
from keras_attn.serving.client.retry_policy import RetryPolicy, next_wait
from keras_attn.serving.client.server_address import parse_address
from keras_attn.serving.client.serving_error import ServingError
from keras_attn.serving.monitoring.traffic_log import TrafficLog, open_log
from keras_attn.serving.row_translation import Row, to_translation
from keras_attn.serving.signatures import DEFAULT_SIGNATURE, STATISTICS_SIGNATURE


class ServingClient:
    """Translates with a model that TensorFlow Serving or `keras-attn serve` serves.

    Lines are sent in requests of at most `batch_size`, several at the same time. A request is sent
    again only after UNAVAILABLE (HTTP 503) or RESOURCE_EXHAUSTED (429), with random waits, and not
    after `timeout`. Several threads may use one client.

    Args:
        address: str. `http://HOST:8501` for REST, `grpc://HOST:8500` (or `HOST:8500`) for gRPC;
            `https` or `grpcs` for TLS.
        model: str. The model's name.
        version: int or None. None for the newest available version.
        label: str or None. A version by its label, such as `"stable"`.
        timeout: float. Seconds for each request, including all its attempts. gRPC ends a request
            exactly then; REST also applies the limit to each wait for the network.
        batch_size: int. The maximum number of lines in a request. A server with batching has its
            own limit: do not exceed it.
        concurrency: int. Requests of one call that are sent at the same time.
        retry: `RetryPolicy`.
        traffic_log: path, `TrafficLog` or None. Where to write numbers about each translated line,
            but no text, for `keras-attn monitor`. `translate` and `translate_detailed` then both
            call `translate_with_stats`.
        review: `ReviewQueue` or None. Where to write doubtful translations for a person to review.
            The model must be calibrated before it is exported.

    Raises:
        ValueError: if an argument is invalid. Nothing is sent before the first call.

    Example:

    >>> from keras_attn.serving import ServingClient
    >>> with ServingClient("http://localhost:8501", "tatoeba_en_de") as client:
    ...     client.translate(["Where is the station?"])  # doctest: +SKIP
    ['Wo ist der Bahnhof?']
    """

    def __init__(
        self,
        address: str,
        model: str,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout: float = 30.0,
        batch_size: int = 32,
        concurrency: int = 4,
        retry: RetryPolicy | None = None,
        traffic_log: str | os.PathLike[str] | TrafficLog | None = None,
        review: ReviewQueue | None = None,
    ) -> None:
        check_client_options(model, timeout, concurrency)
        self._plan = RequestPlan(model, version, label, batch_size)
        self._timeout, self._retry = timeout, retry or RetryPolicy()
        self._log, self._review = open_log(traffic_log), review
        self._channel = open_channel(parse_address(address))
        self._threads = ThreadPoolExecutor(concurrency, "serving-client")

    def translate(self, texts: Sequence[str]) -> list[str]:
        """Translates lines, keeping their order.

        Args:
            texts: sequence of str.

        Returns:
            list of str, one for each text.

        Raises:
            ServingError: if a request fails.
        """
        if self._log is None and self._review is None:
            return [row["translation"] for row in self.predict(DEFAULT_SIGNATURE, text=texts)]
        return [one.text for one in self.translate_detailed(texts)]

    def translate_detailed(self, texts: Sequence[str]) -> list[Translation]:
        """Translates lines and reports scores and other details.

        Args:
            texts: sequence of str.

        Returns:
            list of `Translation`, with `score`, `log_probability`, `truncated` and, for a
            calibrated model, `confidence`.

        Raises:
            ServingError: if a request fails.
            ValueError: if there is a `review`, and the model is not calibrated.
        """
        translations = self._convert(STATISTICS_SIGNATURE, texts, to_translation)
        if self._review is not None:
            self._review.take(translations)
        return translations

    def n_best(self, texts: Sequence[str]) -> list[Translation]:
        """Translates lines; the other hypotheses of the search are in `alternatives`.

        Args:
            texts: sequence of str.

        Returns:
            list of `Translation`, with the score of each.

        Raises:
            ServingError: if a request fails.
        """
        return self._convert("n_best", texts, to_n_best)

    def score(self, texts: Sequence[str], targets: Sequence[str]) -> list[float]:
        """The log-probability of given translations.

        Args:
            texts: sequence of str.
            targets: sequence of str, one for each text.

        Returns:
            list of float.

        Raises:
            ServingError: if a request fails.
        """
        rows = self.predict("score", text=texts, target=targets)
        return [float(row["log_probability"]) for row in rows]

    def attention(self, texts: Sequence[str]) -> list[Translation]:
        """Translates lines, with the pieces and the cross-attention between them.

        Args:
            texts: sequence of str.

        Returns:
            list of `Translation`, with `tokens`, `source_tokens`, `attention`.

        Raises:
            ServingError: if a request fails.
        """
        return self._convert("attention", texts, to_attention)

    def predict(self, signature: str, **inputs: Sequence[str]) -> list[Row]:
        """Calls any signature whose inputs are lines.

        Args:
            signature: str.
            **inputs: sequences of str of the same length, by the names of the inputs.

        Returns:
            list of dict of str to value or array: the outputs for each line.

        Raises:
            ServingError: if a request fails.
        """
        requests = self._plan.requests(signature, inputs)
        predictions = [request.prediction for request in requests]
        if len(predictions) == 1:
            answers = [self._send(predictions[0])]
        else:
            answers = list(self._threads.map(self._send, predictions))
        if self._log is not None and signature == STATISTICS_SIGNATURE:
            self._log.write(facts_of(requests, answers, self._log.keep_text))
        return rows_of(requests, answers)

    def versions(self) -> list[ModelVersion]:
        """The states of the model's versions, as the server reports them.

        Returns:
            list of `ModelVersion`.

        Raises:
            ServingError: if the request fails.
        """
        return self._channel.versions(self._plan.model, self._timeout)

    def wait_until_available(self, seconds: float = 60.0) -> None:
        """Waits until a version of the model answers.

        Args:
            seconds: float.

        Raises:
            ServingError: if none answers in time.
        """
        wait = AvailabilityWait(self._plan.model, seconds, self._timeout)
        while True:
            with wait.request():
                wait.judge(self._channel.versions(self._plan.model, wait.timeout))
            if wait.is_over:
                return
            time.sleep(wait.pause)

    def close(self) -> None:
        """Closes the connection."""
        self._threads.shutdown()
        self._channel.close()
        if self._log is not None:
            self._log.close()

    def __enter__(self) -> ServingClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _convert(
        self, signature: str, texts: Sequence[str], convert: Callable[[str, Row], Translation]
    ) -> list[Translation]:
        lines = check_texts("texts", texts)
        return list(map(convert, lines, self.predict(signature, text=lines)))

    def _send(self, prediction: Prediction) -> Answer:
        started, waits = time.monotonic(), self._retry.waits()
        deadline = started + self._timeout
        while True:
            try:
                answer = self._channel.predict(prediction, seconds_until(deadline))
                return dataclasses.replace(answer, seconds=time.monotonic() - started)
            except ServingError as error:
                time.sleep(next_wait(error, waits, deadline - time.monotonic()))


def seconds_until(deadline: float) -> float:
    """The seconds until a time of `time.monotonic()`, at least one millisecond.

    Args:
        deadline: float.

    Returns:
        float.
    """
    return max(0.001, deadline - time.monotonic())


def check_client_options(model: str, timeout: float, concurrency: int) -> None:
    """Checks the arguments of a client.

    Args:
        model: str.
        timeout: float.
        concurrency: int.

    Raises:
        ValueError: if one is invalid.
    """
    if not isinstance(model, str) or not model or "/" in model or ":" in model:
        raise ValueError(f"`model` must be a name without / and :. Received: {model!r}.")
    if not 0 < timeout < math.inf:
        raise ValueError(f"`timeout` must be above 0 seconds, and finite. Received: {timeout}.")
    if concurrency < 1:
        raise ValueError(f"`concurrency` must be at least 1. Received: {concurrency}.")
