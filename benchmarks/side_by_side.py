"""What the benchmarks share: engines in processes of their own, taken in turns, and a report."""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

REPOSITORY = Path(__file__).resolve().parents[1]
ENGINES = Path(__file__).resolve().parent / "engines"
PEERS_PYTHON = REPOSITORY / ".venv-peers" / "bin" / "python"
# After a run the threads of an engine spin for a while; the next engine waits until they sleep.
PAUSE_SECONDS = 0.3
# The figures are of the CPU, whatever else the machine has, and the libraries are quiet.
CPU_ONLY = {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
FILE_WIDTH = 160  # columns of a table that is not printed on a terminal

Cell = dict[str, Any]


class Engine:
    """A program that answers requests, one JSON object per line each way.

    Args:
        name: str. Its name in the report.
        script: str. Its file in `engines/`.
        python: path. The interpreter that runs it. Defaults to this one.
        environment: dict. Variables besides those of this process.
    """

    def __init__(
        self,
        name: str,
        script: str,
        python: str | os.PathLike[str] = sys.executable,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.name = name
        variables = {**os.environ, "PYTHONPATH": str(REPOSITORY), **(environment or {})}
        self._process = subprocess.Popen(
            [str(python), str(ENGINES / script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=variables,
        )
        self.versions = self.ask("versions")

    def ask(self, request: str, **arguments: Any) -> Any:
        """Sends a request and waits for its answer.

        Args:
            request: str. The name of the engine's function.
            **arguments: JSON values. Its arguments.

        Returns:
            What the function returned.

        Raises:
            RuntimeError: if the engine ended or failed.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"request": request, **arguments}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended during {request!r} with {self._process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"{self.name}: {answer['error']}")
        return answer["result"]

    def close(self) -> None:
        """Ends the program."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)
        self._process.stdout.close()


def take_turns(measurements: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Measures in turns, so that what slows the machine for a while slows all sides.

    Args:
        measurements: dict. Name -> function that measures once.
        rounds: int.

    Returns:
        dict. Name -> figures, one per round.
    """
    figures: dict[str, list[float]] = {name: [] for name in measurements}
    for i in range(rounds):
        order = list(measurements) if i % 2 == 0 else list(measurements)[::-1]
        for name in order:
            time.sleep(PAUSE_SECONDS)
            figures[name].append(measurements[name]())
    return figures


def make_cell(name: str, figures: dict[str, list[float]], ours: str = "keras_attn") -> Cell:
    """One line of the report: medians, their spread, and the ratio of ours to each peer's.

    Args:
        name: str. What was measured.
        figures: dict. Engine -> figures, one per round; more is better.
        ours: str. The engine that the others are compared with.

    Returns:
        dict, as `--json` prints it.
    """
    cell: Cell = {"name": name}
    for engine, values in figures.items():
        cell[engine] = statistics.median(values)
        cell[f"spread_{engine}"] = [min(values), max(values)]
    for engine in figures:
        if engine != ours:
            # Round by round, so that a slow minute of the machine cancels out.
            pairs = zip(figures[ours], figures[engine], strict=True)
            cell[f"ratio_{engine}"] = statistics.median(a / b for a, b in pairs)
    return cell


def summarize(cells: Sequence[Cell], peers: Sequence[str]) -> dict[str, Any]:
    """The whole result of a benchmark, as `--json` prints it."""
    result: dict[str, Any] = {"cells": list(cells)}
    for peer in peers:
        ratios = [cell[f"ratio_{peer}"] for cell in cells if f"ratio_{peer}" in cell]
        if ratios:
            result[f"geometric_mean_{peer}"] = math.exp(statistics.fmean(map(math.log, ratios)))
    return result


def num_cores() -> int:
    """Cores that the engines may use.

    As in `keras_attn.system.processor`, without importing the package, which sets variables.
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def describe_machine() -> dict[str, Any]:
    """Processor, cores, system, and the commit that was measured."""
    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
        model = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), model)
    git = ["git", "-C", str(REPOSITORY)]
    commit = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    changes = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True)
    return {
        "processor": model,
        "cores": num_cores(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "commit": commit.stdout.strip() + (" with changes" if changes.stdout.strip() else ""),
    }


def print_result(
    title: str, unit: str, result: dict[str, Any], engines: Sequence[str], as_json: bool
) -> None:
    """Prints the result as a table, or as one JSON object."""
    if as_json:
        print(json.dumps(result))
        return
    console = Console() if sys.stdout.isatty() else Console(width=FILE_WIDTH)
    table = Table(title=f"{title} ({unit}; median, lowest - highest)")
    table.add_column("cell")
    peers = [name for name in engines if f"geometric_mean_{name}" in result]
    for engine in engines:
        table.add_column(engine, justify="right")
    for peer in peers:
        table.add_column(f"/ {peer}", justify="right")
    for cell in result["cells"]:
        row = [cell["name"]]
        for engine in engines:
            row.append(_with_spread(cell, engine))
        row += [f"{cell[f'ratio_{p}']:.2f}" if f"ratio_{p}" in cell else "" for p in peers]
        table.add_row(*row)
    table.add_section()
    means = [f"{result[f'geometric_mean_{peer}']:.2f}" for peer in peers]
    table.add_row("geometric mean", *[""] * len(engines), *means)
    console.print(table)
    for name in ("machine", "versions", "notes"):
        if name in result:
            console.print(f"{name}: {json.dumps(result[name])}", soft_wrap=True)


def _with_spread(cell: Cell, engine: str) -> str:
    if engine not in cell:
        return ""
    low, high = cell[f"spread_{engine}"]
    return f"{_figure(cell[engine])} ({_figure(low)} - {_figure(high)})"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def progress(line: str) -> None:
    """Says on standard error what is being measured."""
    print(line, file=sys.stderr, flush=True)


def peers_python(given: str | None) -> Path:
    """The interpreter of the peers' environment; says how to make it if it is missing."""
    python = Path(given) if given else PEERS_PYTHON
    if not python.exists():
        raise SystemExit(
            f"The peers' environment is missing: {python}. Make it with\n"
            f"  python3 -m venv {PEERS_PYTHON.parents[1]}\n"
            f"  {PEERS_PYTHON.parent}/pip install -r benchmarks/requirements-peers.txt\n"
            "or name another interpreter with --peers-python."
        )
    return python
