"""A development server in a process of its own, as an operator starts it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import shutil
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@dataclasses.dataclass
class RunningServer:
    """A server process: its ports, and what it has said."""

    process: subprocess.Popen[str]
    models: Path
    port: int = 0
    grpc_port: int = 0
    lines: list[str] = dataclasses.field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.grpc_port}"

    def request(
        self, path: str, body: Any = None, method: str | None = None, **headers: str
    ) -> tuple[int, Any]:
        """A request by the standard library alone: status, and JSON or text."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.url + path, data, names, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                status, content = response.status, response.read()
        except urllib.error.HTTPError as error:
            status, content = error.code, error.read()
        try:
            return status, json.loads(content)
        except ValueError:
            return status, content.decode()


@contextlib.contextmanager
def running_server(
    models: Path, *options: str, program: list[str] | None = None
) -> Iterator[RunningServer]:
    if program is None:
        program = ["-m", "keras_attn", "serve", str(models), "--port", "0", "--grpc-port", "0"]
    process = subprocess.Popen(
        [sys.executable, *program, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    server, ready = RunningServer(process, models), threading.Event()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            server.lines.append(line.rstrip())
            found = re.search(r"http://[^ ]*:(\d+) .*grpc://[^ ]*:(\d+) ", line)
            if found:
                server.port, server.grpc_port = int(found[1]), int(found[2])
                ready.set()
        ready.set()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert ready.wait(180) and server.port, server.lines
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        finally:
            process.kill()
            reader.join()
            assert process.stdout is not None
            process.stdout.close()


def serve_copy(version: Path, models: Path) -> Path:
    """Copies a version without its warm-up requests, which take seconds."""
    without_warmup = shutil.ignore_patterns("assets.extra")
    shutil.copytree(version, models / "nonsense" / "1", ignore=without_warmup)
    return models
