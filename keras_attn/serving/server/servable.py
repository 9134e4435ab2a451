"""One version of a model in the development server: loaded, warmed up, run, unloaded."""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import gc
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tensorflow.core.protobuf import meta_graph_pb2

from keras_attn.serving.saved_model_session import SavedModelSession, SessionError
from keras_attn.serving.server.batcher import Arrays, Batcher, BatchingOptions
from keras_attn.serving.server.server_metrics import ServerMetrics
from keras_attn.serving.status_code import StatusCode
from keras_attn.serving.warmup import read_warmup
from keras_attn.system.free_memory import return_free_memory


class State(enum.IntEnum):
    """The states of a version, with TensorFlow Serving's numbers (`ModelVersionStatus.State`)."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclasses.dataclass(frozen=True)
class ServingContext:
    """What all versions of a server share.

    Args:
        batching: `BatchingOptions`.
        metrics: `ServerMetrics`.
        say: function of one line, for the operator.
        disable_xla: bool. Whether to switch XLA off in this process, as a stock server does.
    """

    batching: BatchingOptions
    metrics: ServerMetrics
    say: Callable[[str], None] = lambda line: None
    disable_xla: bool = True


class Servable:
    """One version of a model.

    Args:
        name: str. The model's name.
        version: int.
        directory: Path. The version directory.
        context: `ServingContext`.

    Attributes:
        state: `State`.
        error: `SessionError` or None. Why it did not load.
    """

    def __init__(self, name: str, version: int, directory: Path, context: ServingContext) -> None:
        self.name, self.version, self.directory = name, version, directory
        self.state, self.error = State.START, None  # type: State, SessionError | None
        self._context = context
        self._session: SavedModelSession | None = None
        self._batcher: Batcher | None = None
        self._active = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def signatures(self) -> dict[str, meta_graph_pb2.SignatureDef]:
        """dict of str to SignatureDef."""
        return {} if self._session is None else self._session.signatures

    async def load(self) -> None:
        """Loads the version and replays its warm-up requests; stores a failure in `error`."""
        self.state = State.LOADING
        started, metrics = time.monotonic(), self._context.metrics
        try:
            await asyncio.to_thread(self._load)
        except Exception as error:  # whatever is wrong with the files, the server goes on
            self.error = (
                error
                if isinstance(error, SessionError)
                else SessionError(StatusCode.INVALID_ARGUMENT, str(error))
            )
            await asyncio.to_thread(self._close)
            self.state = State.END
            metrics.count_load(self.directory, "fail")
            reason = " ".join(str(self.error).split())
            self._context.say(f"{self.name} version {self.version} did not load: {reason}")
            return
        session = self._session
        assert session is not None
        self._batcher = Batcher(session.run, self._context.batching, self._observe)
        self.state = State.AVAILABLE
        metrics.count_load(self.directory, "success")
        seconds = time.monotonic() - started
        self._context.say(f"{self.name} version {self.version} is available ({seconds:.1f} s)")

    async def run(
        self,
        signature: str,
        inputs: Arrays,
        outputs: tuple[str, ...] | None,
        deadline: float | None,
    ) -> dict[str, np.ndarray]:
        """Computes a request; see `Batcher.submit`.

        Raises:
            SessionError: as a server would answer.
        """
        if self._batcher is None:
            raise SessionError(StatusCode.UNAVAILABLE, f"{self.name} is not available.")
        self._active += 1
        self._idle.clear()
        started = time.monotonic()
        try:
            result = await self._batcher.submit(signature, inputs, outputs, deadline)
            self._context.metrics.observe_runtime(self.name, time.monotonic() - started)
            return result
        finally:
            self._active -= 1
            if not self._active:
                self._idle.set()

    async def unload(self) -> None:
        """Waits for running requests, then frees the version."""
        if self.state == State.END:
            return
        self.state = State.UNLOADING
        await self._idle.wait()
        batcher, self._batcher = self._batcher, None
        if batcher is not None:
            await batcher.join()
        await asyncio.to_thread(self._close)
        self.state = State.END
        self._context.say(f"{self.name} version {self.version} is unloaded")

    def _load(self) -> None:
        if not (self.directory / "variables" / "variables.index").is_file():
            # The loader accepts this, but the first request fails. A server would notice when it
            # replays the warm-up requests, if there are any.
            raise SessionError(
                StatusCode.FAILED_PRECONDITION,
                f"{self.directory} has no variables/variables.index: it is incomplete.",
            )
        self._session = SavedModelSession(self.directory, self._context.disable_xla)
        started = time.monotonic()
        for signature, inputs in read_warmup(self.directory):
            self._session.run(signature, inputs)
        self._context.metrics.observe_warmup(self.directory, time.monotonic() - started)

    def _close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()
            gc.collect()
            return_free_memory()

    def _observe(self, lines: list[int], waited: list[float]) -> None:
        self._context.metrics.observe_batch(self.name, lines, waited)
