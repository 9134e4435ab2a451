"""Dynamic batching: requests that wait at the same time are computed together."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from keras_attn.serving.saved_model_session import SessionError
from keras_attn.serving.status_code import StatusCode
from keras_attn.system.processor import num_cores

Arrays = Mapping[str, np.ndarray]
# (signature, inputs, outputs or None for all, seconds or None) -> outputs
Run = Callable[[str, Arrays, tuple[str, ...] | None, float | None], dict[str, np.ndarray]]
_Key = tuple[str, tuple[str, ...] | None]


@dataclasses.dataclass(frozen=True)
class BatchingOptions:
    """How requests are computed together, like TensorFlow Serving's batching parameters.

    Args:
        max_batch_size: int. The maximum number of lines that are computed together; a larger
            request is computed alone. 1: every request is computed alone.
        batch_timeout: float. Seconds that a request waits for others if a thread is free.
        num_batch_threads: int. Batches that are computed at the same time.
        max_waiting: int. The maximum number of waiting requests; more are refused with UNAVAILABLE.

    Raises:
        ValueError: if a number is out of range.

    Example:

    >>> BatchingOptions(max_batch_size=0)
    Traceback (most recent call last):
    ValueError: `max_batch_size` must be at least 1. Received: 0.
    """

    max_batch_size: int = 32
    batch_timeout: float = 0.0
    num_batch_threads: int = dataclasses.field(default_factory=num_cores)
    max_waiting: int = 1000

    def __post_init__(self) -> None:
        for name, least in (
            ("max_batch_size", 1),
            ("batch_timeout", 0),
            ("num_batch_threads", 1),
            ("max_waiting", 1),
        ):
            value = getattr(self, name)
            if not value >= least:
                raise ValueError(f"`{name}` must be at least {least}. Received: {value}.")


@dataclasses.dataclass(eq=False)
class _Task:
    inputs: Arrays
    lines: int
    deadline: float | None
    future: asyncio.Future[dict[str, np.ndarray]]
    arrived: float = dataclasses.field(default_factory=time.monotonic)


class Batcher:
    """Collects requests in one queue for each signature and choice of outputs.

    As in TensorFlow Serving, inputs are joined along their first axis, and outputs are split along
    theirs. Unlike there, a batch that fails is computed again request by request, so that one bad
    request does not make others fail.

    All methods run in the thread of the event loop; `run` is called in other threads.

    Args:
        run: function that computes a batch, and raises `SessionError`.
        options: `BatchingOptions`.
        observe: function of (lines of each request, seconds that each waited), called for each
            batch.
    """

    def __init__(
        self,
        run: Run,
        options: BatchingOptions,
        observe: Callable[[list[int], list[float]], None] = lambda lines, waited: None,
    ) -> None:
        self._run, self._options, self._observe = run, options, observe
        self._queues: dict[_Key, deque[_Task]] = {}
        self._free_threads = options.num_batch_threads
        self._running: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._threads = ThreadPoolExecutor(options.num_batch_threads, "batch")

    async def submit(
        self,
        signature: str,
        inputs: Arrays,
        outputs: tuple[str, ...] | None = None,
        deadline: float | None = None,
    ) -> dict[str, np.ndarray]:
        """Computes a request, together with others if there are any.

        Args:
            signature: str.
            inputs: mapping of names to arrays with the same first axis. Types must be those of the
                signature. A request that cannot be joined with others is computed alone.
            outputs: tuple of str, or None for all.
            deadline: float or None. `time.monotonic()` at which the request is given up.

        Returns:
            dict of output names to arrays.

        Raises:
            SessionError: UNAVAILABLE if too many requests wait, DEADLINE_EXCEEDED, or the error of
                the model.
        """
        if sum(map(len, self._queues.values())) >= self._options.max_waiting:
            raise SessionError(
                StatusCode.UNAVAILABLE,
                "The batch scheduling queue to which this task was submitted is full; "
                f"{self._options.max_waiting} requests wait. Try again later.",
            )
        # An input without axes cannot be joined with others: such a request fills a batch.
        sizes = [len(one) if one.ndim else self._options.max_batch_size for one in inputs.values()]
        lines = max(sizes, default=0)
        task = _Task(inputs, lines, deadline, asyncio.get_running_loop().create_future())
        queue = self._queues.setdefault((signature, outputs), deque())
        queue.append(task)
        self._start_batches()
        try:
            async with asyncio.timeout(_seconds_until(deadline)):
                return await task.future
        except TimeoutError:
            raise SessionError(
                StatusCode.DEADLINE_EXCEEDED, "Timed out waiting for notification"
            ) from None
        finally:
            with contextlib.suppress(ValueError):  # given up before it was computed
                queue.remove(task)

    async def join(self) -> None:
        """Waits for running batches, even if nobody waits for their results; frees the threads."""
        await asyncio.gather(*self._running)
        self._threads.shutdown(wait=False)

    def _start_batches(self) -> None:
        while self._free_threads:
            taken = self._take_batch()
            if taken is None:
                return
            self._free_threads -= 1
            running = asyncio.create_task(self._compute(*taken))
            self._running.add(running)  # the loop itself does not keep it
            running.add_done_callback(self._running.discard)

    def _take_batch(self) -> tuple[_Key, list[_Task]] | None:
        """Takes the oldest batch that is full or has waited, or None if there is none yet."""
        self._queues = {key: queue for key, queue in self._queues.items() if queue}
        most, now = self._options.max_batch_size, time.monotonic()
        ready, waits = [], []
        for key, queue in self._queues.items():
            wait = queue[0].arrived + self._options.batch_timeout - now
            if wait <= 0 or sum(task.lines for task in queue) >= most:
                ready.append(key)
            else:
                waits.append(wait)
        if not ready:
            self._look_again_in(waits)
            return None
        key = min(ready, key=lambda one: self._queues[one][0].arrived)
        queue = self._queues[key]
        batch = [queue.popleft()]
        while queue and sum(task.lines for task in batch) + queue[0].lines <= most:
            batch.append(queue.popleft())
        return key, batch

    def _look_again_in(self, waits: list[float]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if waits:
            self._timer = asyncio.get_running_loop().call_later(min(waits), self._start_batches)

    async def _compute(self, key: _Key, batch: list[_Task]) -> None:
        try:
            now = time.monotonic()
            self._observe([task.lines for task in batch], [now - task.arrived for task in batch])
            if not await self._compute_together(key, batch):
                for task in batch:
                    await self._compute_together(key, [task])
        finally:
            self._free_threads += 1
            self._start_batches()

    async def _compute_together(self, key: _Key, batch: list[_Task]) -> bool:
        """Computes a batch. Returns False if it failed and each request must be tried alone."""
        waiting = [task for task in batch if not task.future.done()]
        if not waiting:
            return True
        signature, outputs = key
        # The last deadline: the requests with an earlier one are answered when it passes.
        deadlines = [task.deadline for task in waiting if task.deadline is not None]
        last = max(deadlines) if len(deadlines) == len(waiting) else None
        try:
            inputs = _join([task.inputs for task in waiting])
            result = await asyncio.get_running_loop().run_in_executor(
                self._threads, self._run, signature, inputs, outputs, _seconds_until(last)
            )
            parts = _split(result, [task.lines for task in waiting])
        except Exception as error:
            if len(waiting) > 1 and getattr(error, "code", None) != StatusCode.DEADLINE_EXCEEDED:
                return False
            for task in waiting:
                if not task.future.done():
                    task.future.set_exception(error)
            return True
        for task, part in zip(waiting, parts, strict=True):
            if not task.future.done():
                task.future.set_result(part)
        return True


def _seconds_until(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.001, deadline - time.monotonic())


def _join(requests: Sequence[Arrays]) -> Arrays:
    if len(requests) == 1:
        return requests[0]
    return {name: np.concatenate([one[name] for one in requests]) for name in requests[0]}


def _split(outputs: dict[str, np.ndarray], lines: list[int]) -> list[dict[str, np.ndarray]]:
    """Splits the first axis of all outputs."""
    if len(lines) == 1:
        return [outputs]
    for name, array in outputs.items():
        if array.ndim == 0 or len(array) != sum(lines):
            raise SessionError(
                StatusCode.FAILED_PRECONDITION,
                f"Batched output tensor's 0th dimension does not equal the sum of the 0th "
                "dimension sizes of the input tensors: "
                f"{name} is {array.shape} for {sum(lines)} lines.",
            )
    ends = np.cumsum(lines)
    return [
        {name: array[end - size : end] for name, array in outputs.items()}
        for size, end in zip(lines, ends, strict=True)
    ]
