"""`keras-attn serve` in a process of its own, for the benchmarks that send it requests."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path


class DevelopmentServer:
    """A development server that answers over gRPC at `address`.

    Args:
        models: Path. A directory of models.
        *options: str. Options of `keras-attn serve`.
    """

    def __init__(self, models: Path, *options: str) -> None:
        command = [sys.executable, "-m", "keras_attn", "serve", str(models), *options]
        self.process = subprocess.Popen(
            [*command, "--port", "0", "--grpc-port", "0"], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            found = re.search(r"grpc://[^ ]+", line)
            if found:
                self.address = found[0]
                return
        raise RuntimeError(f"the server ended with {self.process.wait()}")

    def memory(self) -> float:
        """Resident memory in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) / 1024

    def stop(self) -> int:
        """Tells it to stop, and waits; returns its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(120)
