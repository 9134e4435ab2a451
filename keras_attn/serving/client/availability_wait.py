"""How long a client waits for a model, and for what."""

from __future__ import annotations

import time

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

    Example:

    >>> AvailabilityWait("m", 60.0, 1.0).is_over([ModelVersion(3, "AVAILABLE")])
    True
    """

    pause = 0.2

    def __init__(self, model: str, seconds: float, timeout: float) -> None:
        self._model, self._longest = model, timeout
        self._end = time.monotonic() + seconds

    @property
    def timeout(self) -> float:
        """Seconds for the next request."""
        return min(self._longest, max(0.1, self._end - time.monotonic()))

    def is_over(self, found: list[ModelVersion] | ServingError) -> bool:
        """Whether a version of the model answers.

        Args:
            found: list of `ModelVersion`, or the error of the request.

        Returns:
            bool. False: ask again after a pause.

        Raises:
            ServingError: if waiting does not help, or time is over.
        """
        if isinstance(found, ServingError):
            if found.code not in _NOT_YET:
                raise found
            problem = str(found)
        elif any(one.state == "AVAILABLE" for one in found):
            return True
        else:
            problem = f"No version of {self._model} is available yet"
        if time.monotonic() > self._end:
            raise ServingError(StatusCode.DEADLINE_EXCEEDED, problem)
        return False
