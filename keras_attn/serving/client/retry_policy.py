"""Which failed requests are sent again, and when."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator

from keras_attn.serving.client.serving_error import ServingError
from keras_attn.serving.status_code import StatusCode

# The server is busy, restarting, or gone for a moment. Computing a signature twice does no harm.
RETRIED = {StatusCode.UNAVAILABLE, StatusCode.RESOURCE_EXHAUSTED}


@dataclasses.dataclass(frozen=True)
class RetryPolicy:
    """How often a request is sent again after UNAVAILABLE (503) or RESOURCE_EXHAUSTED (429).

    Each wait is drawn at random between zero and a bound that doubles, up to `longest_wait`, so
    that clients that failed together do not retry together.

    Args:
        attempts: int. The maximum number of times a request is sent; 1: no retries.
        first_wait: float. Seconds; the longest wait before the second attempt.
        longest_wait: float. Seconds.

    Raises:
        ValueError: if a number is out of range.

    Example:

    >>> len(list(RetryPolicy(attempts=4).waits()))
    3
    """

    attempts: int = 4
    first_wait: float = 0.1
    longest_wait: float = 2.0

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"`attempts` must be at least 1. Received: {self.attempts}.")
        if not 0 <= self.first_wait <= self.longest_wait:
            raise ValueError(
                "`first_wait` must be from 0 to `longest_wait` seconds. "
                f"Received: {self.first_wait} and {self.longest_wait}."
            )

    def waits(self) -> Iterator[float]:
        """The seconds to wait before each further attempt."""
        for attempt in range(self.attempts - 1):
            yield random.uniform(0, min(self.first_wait * 2**attempt, self.longest_wait))


def next_wait(error: ServingError, waits: Iterator[float], seconds_left: float) -> float:
    """The wait before a request is sent again.

    Args:
        error: `ServingError`. Why it failed.
        waits: iterator of float. The waits that the policy still allows.
        seconds_left: float. Until the deadline of the caller.

    Returns:
        float. Seconds.

    Raises:
        ServingError: the error itself, if the request is not sent again.
    """
    wait = next(waits, None) if error.code in RETRIED else None
    if wait is None or wait >= seconds_left:
        raise error
    return wait
