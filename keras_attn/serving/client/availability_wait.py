"""How long a client waits for a model, and for what."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from keras_attn.serving.client.model_version import ModelVersion
from keras_attn.serving.client.serving_error import ServingError
from keras_attn.serving.status_code import StatusCode

# A starting server may listen before it answers.
_NOT_YET = (StatusCode.UNAVAILABLE, StatusCode.NOT_FOUND, StatusCode.DEADLINE_EXCEEDED)


class AvailabilityWait:
    """Judges what a server says about a model again and again, until time is over.

    Args:
        model: str. The model's name.
        seconds: float. How long to wait in all.
        timeout: float. Seconds for one request.

    Attributes:
        pause: float. Seconds between two requests.
        is_over: bool. Whether a version of the model answers.

    Example:

    >>> wait = AvailabilityWait("m", 60.0, 1.0)
    >>> with wait.request():
    ...     wait.judge([ModelVersion(3, "AVAILABLE")])
    >>> wait.is_over
    True
    """

    pause = 0.2
    is_over = False

    def __init__(self, model: str, seconds: float, timeout: float) -> None:
        self._model, self._longest = model, timeout
        self._end = time.monotonic() + seconds

    @property
    def timeout(self) -> float:
        """Seconds for the next request."""
        return min(self._longest, max(0.1, self._end - time.monotonic()))

    @contextlib.contextmanager
    def request(self) -> Iterator[None]:
        """Takes the error of a request in this block for an answer, if waiting may help.

        Raises:
            ServingError: if waiting does not help, or time is over.
        """
        try:
            yield
        except ServingError as error:
            if error.code not in _NOT_YET:
                raise
            self._go_on(str(error))

    def judge(self, found: list[ModelVersion]) -> None:
        """Sets `is_over` if one of the versions answers.

        Args:
            found: list of `ModelVersion`.

        Raises:
            ServingError: if none does, and time is over.
        """
        self.is_over = any(one.state == "AVAILABLE" for one in found)
        if not self.is_over:
            self._go_on(f"No version of {self._model} is available yet")

    def _go_on(self, problem: str) -> None:
        if time.monotonic() > self._end:
            raise ServingError(StatusCode.DEADLINE_EXCEEDED, problem)
