"""Several workers of one training run on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import IO, Any

from keras_attn.system.processor import num_cores

_GRACE_SECONDS = 90.0  # for the other workers to notice a failure and report it
_POLL_SECONDS = 0.2
_LAST_LINES = 5


def run_local_workers(command: Sequence[str], count: int) -> int:
    """Runs a command in several workers, which `TF_CONFIG` joins into one cluster.

    The first worker writes to this process's standard output and error. If another worker fails,
    its last lines are shown. The workers share the cores. SIGTERM is passed on to all workers;
    Ctrl-C reaches them from the terminal.

    Args:
        command: sequence of str. The command line of each worker.
        count: int. The number of workers.

    Returns:
        int. 0, or the exit status of the first worker that failed: 128 + n if signal n ended it.

    Example:

    >>> run_local_workers([sys.executable, "-c", "import os; assert os.environ['TF_CONFIG']"], 2)
    0
    """
    addresses = [f"localhost:{port}" for port in free_ports(count)]
    with contextlib.ExitStack() as stack:
        logs = [
            stack.enter_context(tempfile.TemporaryFile("w+", errors="replace"))
            for _ in range(count - 1)
        ]
        processes = [
            _start(command, addresses, index, None if index == 0 else logs[index - 1])
            for index in range(count)
        ]
        with _passing_on(signal.SIGTERM, processes):
            status = _wait(processes)
        for index, log in enumerate(logs, start=1):
            if processes[index].returncode:
                _show_end(index, log)
    return status


def free_ports(count: int) -> list[int]:
    """Finds free ports of this machine.

    Args:
        count: int. The number of ports.

    Returns:
        list of int.

    Example:

    >>> len(set(free_ports(3)))
    3
    """
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("localhost", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def worker_environment(addresses: Sequence[str], index: int) -> dict[str, str]:
    """The environment of a worker: `TF_CONFIG`, its index, and its share of the cores.

    Args:
        addresses: sequence of str. `host:port` of every worker.
        index: int. The index of the worker.

    Returns:
        dict of str to str.

    Example:

    >>> json.loads(worker_environment(["a:1", "b:1"], 1)["TF_CONFIG"])["task"]
    {'type': 'worker', 'index': 1}
    """
    config = {"cluster": {"worker": list(addresses)}, "task": {"type": "worker", "index": index}}
    threads = str(max(1, num_cores() // len(addresses)))
    environment = {"TF_NUM_INTRAOP_THREADS": threads, **os.environ}
    return {**environment, "TF_CONFIG": json.dumps(config), "KERAS_ATTN_WORKER": str(index)}


def _start(
    command: Sequence[str], addresses: Sequence[str], index: int, log: IO[str] | None
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        list(command),
        env=worker_environment(addresses, index),
        stdout=None if log is None else subprocess.DEVNULL,
        stderr=log,
    )


@contextlib.contextmanager
def _passing_on(number: int, processes: list[subprocess.Popen[bytes]]) -> Iterator[None]:
    def pass_on(received: int, frame: FrameType | None) -> None:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(received)

    before: Any = signal.signal(number, pass_on)
    try:
        yield
    finally:
        signal.signal(number, before)


def _wait(processes: list[subprocess.Popen[bytes]]) -> int:
    """Waits for all workers; after a failure, only until the others have time to report it."""
    failed_at: float | None = None
    first_failure = 0
    while any(process.poll() is None for process in processes):
        try:
            time.sleep(_POLL_SECONDS)
        except KeyboardInterrupt:
            continue  # the workers receive it too, and end after saving
        failures = [process.returncode for process in processes if process.returncode]
        if failures and failed_at is None:
            failed_at, first_failure = time.monotonic(), failures[0]
        if failed_at is not None and time.monotonic() - failed_at > _GRACE_SECONDS:
            for process in processes:
                process.kill()
    status = first_failure or next((one.returncode for one in processes if one.returncode), 0)
    return 128 - status if status < 0 else status


def _show_end(index: int, log: IO[str]) -> None:
    log.seek(0)
    for line in log.read().splitlines()[-_LAST_LINES:]:
        print(f"[worker {index}] {line}", file=sys.stderr)
