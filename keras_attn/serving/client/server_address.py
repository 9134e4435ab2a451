"""The protocol, host and port that a client connects to."""

from __future__ import annotations

import dataclasses
import re
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 8501, "https": 443, "grpc": 8500, "grpcs": 443}


@dataclasses.dataclass(frozen=True)
class ServerAddress:
    """The address of a server.

    Args:
        scheme: str. `"http"`, `"https"`, `"grpc"` or `"grpcs"` (gRPC with TLS).
        host: str.
        port: int.
        path: str. The path before `/v1` behind a proxy; empty for gRPC.
    """

    scheme: str
    host: str
    port: int
    path: str = ""

    @property
    def is_grpc(self) -> bool:
        """Whether the protocol is gRPC."""
        return self.scheme.startswith("grpc")

    @property
    def is_secure(self) -> bool:
        """Whether the connection uses TLS."""
        return self.scheme.endswith("s")

    @property
    def target(self) -> str:
        """str. Host and port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """str. The base of the REST URLs."""
        return f"{self.scheme}://{self.target}{self.path}"


def parse_address(address: str) -> ServerAddress:
    """Reads an address.

    Args:
        address: str. `http://HOST:8501`, `grpc://HOST:8500`, with `https` or `grpcs` for TLS.
            Without a scheme it is gRPC, as in TensorFlow's examples: `HOST:8500`.

    Returns:
        `ServerAddress`.

    Raises:
        ValueError: if it is not an address.

    Example:

    >>> parse_address("localhost:8500").is_grpc
    True
    """
    rule = "`address` must be like http://localhost:8501 or grpc://localhost:8500"
    try:
        parts = urlsplit(address if "://" in address else f"grpc://{address}")
        port, host = parts.port, parts.hostname or ""
        host.encode("idna")  # as a connection does: each part has 1 to 63 letters
    except (TypeError, ValueError) as error:
        raise ValueError(f"{rule}. Received: {address!r} ({error}).") from error
    is_complete = parts.scheme in _DEFAULT_PORTS and host and not re.search(r"\s", host)
    if not is_complete or port == 0 or parts.query or parts.username:
        raise ValueError(f"{rule}. Received: {address!r}.")
    path = parts.path.rstrip("/")
    if path and parts.scheme.startswith("grpc"):
        raise ValueError(f"{rule}, without a path. Received: {address!r}.")
    return ServerAddress(parts.scheme, host, port or _DEFAULT_PORTS[parts.scheme], path)
