"""The client of a server, for programs with an event loop."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import time
from collections.abc import Callable, Sequence
from types import TracebackType

from keras_attn.lines.check_texts import check_texts
from keras_attn.lines.review_queue import ReviewQueue
from keras_attn.lines.translation import Translation
from keras_attn.serving.client.async_channels import open_async_channel
from keras_attn.serving.client.availability_wait import AvailabilityWait
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
from keras_attn.serving.client.serving_client import check_client_options, seconds_until
from keras_attn.serving.client.serving_error import ServingError
from keras_attn.serving.monitoring.traffic_log import TrafficLog, open_log
from keras_attn.serving.row_translation import Row, to_translation
from keras_attn.serving.signatures import DEFAULT_SIGNATURE, STATISTICS_SIGNATURE


class AsyncServingClient:
    """`ServingClient` for programs with an event loop: the same methods, with `await`.

    It must be created and used in one event loop.

    Args:
        address: str. See `ServingClient`, for this and for all other arguments.
        model: str.
        version: int or None.
        label: str or None.
        timeout: float.
        batch_size: int.
        concurrency: int. Requests of all calls together that are sent at the same time.
        retry: `RetryPolicy`.
        traffic_log: path, `TrafficLog` or None.
        review: `ReviewQueue` or None.

    Raises:
        ValueError: if an argument is invalid.

    Example:

    >>> async def translate(texts):
    ...     async with AsyncServingClient("grpc://localhost:8500", "tatoeba_en_de") as client:
    ...         return await client.translate(texts)
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
        self._channel = open_async_channel(parse_address(address))
        self._slots = asyncio.Semaphore(concurrency)

    async def translate(self, texts: Sequence[str]) -> list[str]:
        """Translates lines; see `ServingClient.translate`."""
        if self._log is None and self._review is None:
            return [row["translation"] for row in await self.predict(DEFAULT_SIGNATURE, text=texts)]
        return [one.text for one in await self.translate_detailed(texts)]

    async def translate_detailed(self, texts: Sequence[str]) -> list[Translation]:
        """Translates lines; see `ServingClient.translate_detailed`."""
        translations = await self._convert(STATISTICS_SIGNATURE, texts, to_translation)
        if self._review is not None:
            self._review.take(translations)
        return translations

    async def n_best(self, texts: Sequence[str]) -> list[Translation]:
        """Translates lines; see `ServingClient.n_best`."""
        return await self._convert("n_best", texts, to_n_best)

    async def score(self, texts: Sequence[str], targets: Sequence[str]) -> list[float]:
        """Scores translations; see `ServingClient.score`."""
        rows = await self.predict("score", text=texts, target=targets)
        return [float(row["log_probability"]) for row in rows]

    async def attention(self, texts: Sequence[str]) -> list[Translation]:
        """Translates lines; see `ServingClient.attention`."""
        return await self._convert("attention", texts, to_attention)

    async def predict(self, signature: str, **inputs: Sequence[str]) -> list[Row]:
        """Calls a signature; see `ServingClient.predict`."""
        requests = self._plan.requests(signature, inputs)
        tasks = [asyncio.create_task(self._send(one.prediction)) for one in requests]
        try:
            answers = await asyncio.gather(*tasks)
        finally:
            for task in tasks:  # after a failure, the others are not needed
                task.cancel()
        if self._log is not None and signature == STATISTICS_SIGNATURE:
            self._log.write(facts_of(requests, answers, self._log.keep_text))
        return rows_of(requests, answers)

    async def versions(self) -> list[ModelVersion]:
        """The states of the model's versions; see `ServingClient.versions`."""
        return await self._channel.versions(self._plan.model, self._timeout)

    async def wait_until_available(self, seconds: float = 60.0) -> None:
        """Waits for the model; see `ServingClient.wait_until_available`."""
        wait = AvailabilityWait(self._plan.model, seconds, self._timeout)
        while True:
            with wait.request():
                wait.judge(await self._channel.versions(self._plan.model, wait.timeout))
            if wait.is_over:
                return
            await asyncio.sleep(wait.pause)

    async def close(self) -> None:
        """Closes the connection."""
        await self._channel.close()
        if self._log is not None:
            self._log.close()

    async def __aenter__(self) -> AsyncServingClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _convert(
        self, signature: str, texts: Sequence[str], convert: Callable[[str, Row], Translation]
    ) -> list[Translation]:
        lines = check_texts("texts", texts)
        return list(map(convert, lines, await self.predict(signature, text=lines)))

    async def _send(self, prediction: Prediction) -> Answer:
        async with self._slots:
            started, waits = time.monotonic(), self._retry.waits()
            deadline = started + self._timeout
            while True:
                try:
                    answer = await self._channel.predict(prediction, seconds_until(deadline))
                    return dataclasses.replace(answer, seconds=time.monotonic() - started)
                except ServingError as error:
                    wait = next_wait(error, waits, deadline - time.monotonic())
                await asyncio.sleep(wait)
