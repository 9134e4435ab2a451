"""A small trained run and lines for it, made by programs whose time and memory are measured."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from side_by_side import CPU_ONLY, REPOSITORY

PROGRAM = [sys.executable, "-m", "keras_attn"]
STEPS = 60
# Where the package keeps what XLA compiled.
CACHE = "KERAS_ATTN_CACHE"

_WRITE_LINES = """\
import itertools, sys
from keras_attn.data.phrasebook import phrasebook
sources = itertools.cycle(phrasebook("test").sources)
with open(sys.argv[1], "w", encoding="utf-8") as file:
    file.writelines(line + "\\n" for line in itertools.islice(sources, int(sys.argv[2])))
"""


@dataclass(frozen=True)
class Finished:
    """A program that has ended without an error.

    Args:
        seconds: float. From its start to its end.
        peak_mebibytes: float. The most resident memory it had.
        output: str. Its standard output.
    """

    seconds: float
    peak_mebibytes: float
    output: str


def run_program(command: list[str], environment: dict[str, str] | None = None) -> Finished:
    """Runs a program to its end.

    The kernel counts the memory of the process that starts a program as the program's own first
    peak. So a benchmark of memory must stay small itself, and import no TensorFlow.

    Args:
        command: list of str.
        environment: dict. Variables besides those of this process.

    Returns:
        Finished.

    Raises:
        RuntimeError: if the program failed; the end of its standard error is shown.
    """
    variables = {**os.environ, **CPU_ONLY, "PYTHONPATH": str(REPOSITORY), **(environment or {})}
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, env=variables
        )
        # Unlike `Popen.wait`, this tells what this one child has used.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        if process.returncode:
            end = errors.read().decode(errors="replace")[-2000:]
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{end}")
        return Finished(seconds, _mebibytes(usage), output.read().decode())


def train_run(directory: Path) -> tuple[Path, Finished]:
    """Trains `phrasebook_tiny` for 60 steps, with an empty XLA cache, so that compiling counts.

    Args:
        directory: Path. Where to put the run, in a directory of its own.

    Returns:
        The run directory, and what its training took.
    """
    parent = Path(tempfile.mkdtemp(prefix="run-", dir=directory))
    run = parent / "run"
    options = ["--output", str(run), "--set", f"training.max_steps={STEPS}"]
    train = [*PROGRAM, "train", "phrasebook_tiny", *options]
    return run, run_program(train, {CACHE: str(parent / "cache")})


def write_lines(path: Path, count: int) -> None:
    """Writes `count` lines: the English sentences of the phrasebook's test pairs, repeated."""
    run_program([sys.executable, "-c", _WRITE_LINES, str(path), str(count)])


def _mebibytes(usage: resource.struct_rusage) -> float:
    # macOS counts bytes, other systems KiB.
    return usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
