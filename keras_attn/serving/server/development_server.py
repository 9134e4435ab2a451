"""A development server with TensorFlow Serving's REST, gRPC and C++ loader, in one process."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import math
import signal
import socket
import threading
from collections.abc import Callable, Iterator

import grpc
import uvicorn
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from keras_attn.serving.server.grpc_services import add_services
from keras_attn.serving.server.model_store import ModelStore
from keras_attn.serving.server.predictor import Predictor
from keras_attn.serving.server.rest import make_rest_app
from keras_attn.serving.server.security import bounded_protocol
from keras_attn.serving.server.servable import ServingContext
from keras_attn.serving.server.server_metrics import ServerMetrics
from keras_attn.serving.server.server_options import ServerOptions

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SERVICES = ("", "PredictionService", "ModelService")
_LOOPBACK_NAMES = ["localhost", "127.0.0.1", "::1"]


class DevelopmentServer:
    """Serves models until it is stopped, for development; use TensorFlow Serving in production.

    Args:
        config: ModelServerConfig. From `config_of_directory` or `read_models_config`.
        options: `ServerOptions`.
        say: function of one line, for the operator.

    Attributes:
        url: str. The REST address, while the server runs.
        grpc_address: str. The gRPC address.

    Example:

    >>> from keras_attn.serving.server import config_of_directory
    >>> def translate(texts, directory="saved_models/tatoeba_en_de"):
    ...     server = DevelopmentServer(config_of_directory(directory))
    ...     with server.running():
    ...         return ServingClient(server.url, "tatoeba_en_de").translate(texts)
    """

    def __init__(
        self,
        config: ModelServerConfig,
        options: ServerOptions | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        self._config, self._tell = config, say
        self._options = options or ServerOptions()
        self._port, self._grpc_port = self._options.port, self._options.grpc_port
        self._stop, self._ready = asyncio.Event(), threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def url(self) -> str:
        """The REST address, as clients write it."""
        return f"http://{_address(self._options.host, self._port)}"

    @property
    def grpc_address(self) -> str:
        """The gRPC address, as clients write it."""
        return f"grpc://{_address(self._options.host, self._grpc_port)}"

    def stop(self) -> None:
        """Lets running requests finish and ends `serve`. Call it in the server's thread."""
        self._stop.set()

    @contextlib.contextmanager
    def running(self) -> Iterator[DevelopmentServer]:
        """Serves in another thread during a `with` statement, for tests and notebooks.

        Yields:
            The server itself, once it answers.

        Raises:
            OSError: if a port is taken.
        """
        failures: list[BaseException] = []

        def run() -> None:
            try:
                asyncio.run(self.serve())
            except BaseException as error:
                failures.append(error)
            self._ready.set()

        thread = threading.Thread(target=run, name="development-server")
        thread.start()
        try:
            self._ready.wait()
            if failures:
                raise failures[0]
            yield self
        finally:
            if thread.is_alive() and self._loop is not None:
                self._loop.call_soon_threadsafe(self.stop)
            thread.join()

    async def serve(self) -> None:
        """Serves until `stop` is called or a signal (SIGINT, SIGTERM) arrives.

        Raises:
            OSError: if a port is taken.
        """
        options, metrics = self._options, ServerMetrics()
        self._loop = asyncio.get_running_loop()
        context = ServingContext(options.batching, metrics, self._say, options.disable_xla)
        with contextlib.closing(_listen(options.host, options.port)) as listening:
            self._port = listening.getsockname()[1]
            store = ModelStore(self._config, context, options.poll_seconds)
            predictor = Predictor(store, metrics, options.limits)
            grpc_server, grpc_health = self._make_grpc_server(predictor)
            with _signals(self.stop):
                stopped = asyncio.create_task(self._stop.wait())
                if not await self._load(store, stopped):
                    return
                http_server = self._make_http_server(predictor)
                http = asyncio.create_task(http_server.serve([listening]))
                for service in _SERVICES:
                    await grpc_health.set(service, health_pb2.HealthCheckResponse.SERVING)
                await grpc_server.start()
                self._announce(store)
                await asyncio.wait({http, stopped}, return_when=asyncio.FIRST_COMPLETED)
                self._say("stopping: no new requests; running requests are finished")
                await grpc_health.enter_graceful_shutdown()
                http_server.should_exit = True
                await asyncio.gather(grpc_server.stop(options.drain_seconds), http)
                await store.close()
                self._say("stopped")

    async def _load(self, store: ModelStore, stopped: asyncio.Task) -> bool:
        """Loads the models; after `stop`, only the one that has begun. Returns whether to serve."""
        loading = asyncio.create_task(store.start())
        await asyncio.wait({loading, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not loading.done():
            self._say("stopping: the version that is being loaded is finished first")
            store.stop_loading()
        await loading
        if stopped.done():
            await store.close()
            self._say("stopped")
        return not stopped.done()

    def _say(self, line: str) -> None:
        # Whoever reads the output may have gone. The server goes on.
        with contextlib.suppress(OSError, ValueError):
            self._tell(line)

    def _announce(self, store: ModelStore) -> None:
        for name in store.names:
            if not store.is_available(name):
                self._say(f"no version of {name} is available yet")
        names = ", ".join(store.names)
        self._say(f"serving {names}: {self.url} (page and REST), {self.grpc_address} (gRPC)")
        self._ready.set()

    def _make_http_server(self, predictor: Predictor) -> uvicorn.Server:
        limits, host = self._options.limits, self._options.host
        app = make_rest_app(predictor, [*_LOOPBACK_NAMES, host] if _is_loopback(host) else None)
        config = uvicorn.Config(
            app,
            http=bounded_protocol(limits.receive_seconds),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=limits.most_connections,
            timeout_keep_alive=60,
            timeout_graceful_shutdown=math.ceil(self._options.drain_seconds),
        )
        return _QuietServer(config)

    def _make_grpc_server(
        self, predictor: Predictor
    ) -> tuple[grpc.aio.Server, health.aio.HealthServicer]:
        limits = self._options.limits
        server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", limits.most_bytes),
                ("grpc.so_reuseport", 0),  # a second server on the port is an error
                ("grpc.keepalive_time_ms", 60_000),
            ],
            maximum_concurrent_rpcs=limits.most_connections,
        )
        add_services(server, predictor)
        servicer = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
        address = _address(self._options.host, self._grpc_port)
        try:
            self._grpc_port = server.add_insecure_port(address)
        except RuntimeError as error:
            raise OSError(errno.EADDRINUSE, f"gRPC cannot listen at {address}: {error}") from error
        return server, servicer


class _QuietServer(uvicorn.Server):
    """uvicorn without its signal handlers: the development server has its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _is_loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise OSError(error.errno, f"{error.strerror}: {host}:{port} for REST") from error
    return listening


@contextlib.contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[None]:
    """Calls `stop` at a signal; outside the main thread, no signals are handled."""
    loop, handled = asyncio.get_running_loop(), []
    for number in _SIGNALS:
        with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):
            loop.add_signal_handler(number, stop)
            handled.append(number)
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)
