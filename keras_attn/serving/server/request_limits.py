"""The limits of one request to a development server."""

from __future__ import annotations

import dataclasses

from keras_attn.serving.signatures import MOST_BYTES_A_LINE, MOST_LINES


@dataclasses.dataclass(frozen=True)
class RequestLimits:
    """The limits of one request. A request beyond them is refused before anything is computed.

    Args:
        most_lines: int. Lines of a request.
        most_bytes_a_line: int.
        most_bytes: int. The whole request, as JSON or as a protocol buffer, uncompressed.
        seconds: float. The longest computation. A gRPC request with a shorter deadline keeps it.
        receive_seconds: float. How long a client may take to send a request.
        most_connections: int. HTTP connections, and gRPC requests at the same time.

    Example:

    >>> RequestLimits().most_lines
    1024
    """

    most_lines: int = MOST_LINES
    most_bytes_a_line: int = MOST_BYTES_A_LINE
    most_bytes: int = 8 * 2**20
    seconds: float = 30.0
    receive_seconds: float = 10.0
    most_connections: int = 256
