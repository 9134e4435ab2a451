"""`curl` and grpcio get what TensorFlow Serving's documentation says."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.running_server import running_server

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "scripts" / "tf_serving_answers.py"
PUBLISHED = ROOT / "docs" / "tf_serving_answers.md"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def rows(table: str) -> list[tuple[str, str]]:
    """Request and verdict of each row."""
    cells = [line.split(" | ") for line in table.splitlines() if line.startswith("| `")]
    return [(row[0], row[-1]) for row in cells]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl: apt-get install curl")
def test_every_answer_is_the_documented_one(tmp_path: Path) -> None:
    models = tmp_path / "models"
    assert run("--models", str(models)).returncode == 0
    with running_server(models) as server:
        addresses = ("--rest", f"127.0.0.1:{server.port}", "--grpc", server.target)
        done = run(*addresses, "--output", str(tmp_path / "table.md"))
        # Nobody answers by gRPC: the script must say so.
        unanswered = run("--rest", addresses[1], "--grpc", "127.0.0.1:1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert unanswered.returncode == 1 and "**other**" in unanswered.stdout
    assert rows((tmp_path / "table.md").read_text()) == rows(PUBLISHED.read_text())
