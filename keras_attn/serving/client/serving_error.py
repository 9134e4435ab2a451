"""The error of a request to a server."""

from __future__ import annotations

from keras_attn.serving.status_code import StatusCode


class ServingError(RuntimeError):
    """A request failed: the server refused it, did not answer in time, or could not be reached.

    Args:
        code: int. The status code, the same for REST and gRPC.
        message: str.

    Attributes:
        code: `StatusCode`, such as `StatusCode.NOT_FOUND`.

    Example:

    >>> ServingError(5, "no such model").code.name
    'NOT_FOUND'
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = StatusCode(code)
