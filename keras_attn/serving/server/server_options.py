"""Where and how a development server listens."""

from __future__ import annotations

import dataclasses

from keras_attn.serving.server.batcher import BatchingOptions
from keras_attn.serving.server.request_limits import RequestLimits


@dataclasses.dataclass(frozen=True)
class ServerOptions:
    """Where and how a development server listens.

    Args:
        host: str. The address to listen at. Any but a loopback address can be reached from the
            network.
        port: int. For REST; 0: any free one.
        grpc_port: int. For gRPC; 0: any free one.
        batching: `BatchingOptions`.
        limits: `RequestLimits`.
        poll_seconds: float. The time between checks of the model directories.
        drain_seconds: float. How long running requests may take when the server stops.
        disable_xla: bool. Whether to switch XLA off in this process, as a stock server does.

    Example:

    >>> ServerOptions(port=70000)
    Traceback (most recent call last):
    ValueError: `port` must be from 0 to 65535. Received: 70000.
    """

    host: str = "127.0.0.1"
    port: int = 8501
    grpc_port: int = 8500
    batching: BatchingOptions = dataclasses.field(default_factory=BatchingOptions)
    limits: RequestLimits = dataclasses.field(default_factory=RequestLimits)
    poll_seconds: float = 1.0
    drain_seconds: float = 30.0
    disable_xla: bool = True

    def __post_init__(self) -> None:
        for name in ("port", "grpc_port"):
            value = getattr(self, name)
            if not 0 <= value < 65536:
                raise ValueError(f"`{name}` must be from 0 to 65535. Received: {value}.")
        if self.port == self.grpc_port != 0:
            raise ValueError(
                f"`port` and `grpc_port` must be different. Received: {self.port} for both."
            )
