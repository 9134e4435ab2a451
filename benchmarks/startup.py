"""Seconds until a command has done its first work, compared with those of TensorFlow itself.

    python benchmarks/startup.py                about 5 minutes on 2 cores
    python benchmarks/startup.py --quick        2 rounds
    python benchmarks/startup.py --run RUN      the lines are translated by this run

Figures are seconds from the start of a program to its end. The figure for `import keras_attn` is
the time of that import, with every public name loaded, in a program that has already imported
TensorFlow. Translations are measured with an empty XLA cache (cold) and with one that the same
translation has filled (warm): of one sentence, which runs in the plain graph and needs no cache,
and of 200, which are worth compiling.
"""

from __future__ import annotations

import argparse
import functools
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from side_by_side import Cell, describe_machine, make_cell, print_result, progress, take_turns
from small_run import CACHE, PROGRAM, run_program, train_run, write_lines

IMPORT_TENSORFLOW = "import tensorflow"
IMPORT_PACKAGE = "import keras_attn, after that"
LINES = (1, 200)
QUICK_ROUNDS = 2

_TIME_IMPORT = """\
import time
import tensorflow
started = time.perf_counter()
import keras_attn
for name in keras_attn.__all__:
    getattr(keras_attn, name)
print(time.perf_counter() - started)
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="2 rounds")
    parser.add_argument("--rounds", type=int, default=7, help="how often each is measured")
    parser.add_argument("--run", help="a trained run; default: one is trained here")
    arguments = parser.parse_args()
    rounds = min(arguments.rounds, QUICK_ROUNDS) if arguments.quick else arguments.rounds
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        if arguments.run is None:
            progress("training a small run")
        run = Path(arguments.run).resolve() if arguments.run else train_run(directory)[0]
        figures = take_turns(measurements(run, directory), rounds)
    result: dict[str, Any] = {"cells": make_cells(figures), "machine": describe_machine()}
    print_result("Startup", "seconds", result, ["keras_attn"], arguments.json)
    if not arguments.json:
        for cell in result["cells"]:
            if "ratio_import_tensorflow" in cell:
                ratio = cell["ratio_import_tensorflow"]
                print(f"{cell['name']} / {IMPORT_TENSORFLOW} = {ratio:.2f}x")


def measurements(run: Path, directory: Path) -> dict[str, Callable[[], float]]:
    """Name of a cell -> function that measures it once, in seconds.

    Each is called once before, so that the system has the files in memory and Python has compiled
    them. That call also fills the warm cache.

    Args:
        run: Path. The run that translates.
        directory: Path. For caches and files.
    """
    warm_cache = tempfile.mkdtemp(prefix="warm-", dir=directory)
    commands = {}
    for count in LINES:
        lines = directory / f"{count}.txt"
        write_lines(lines, count)
        commands[count] = [*PROGRAM, "translate", str(run), "--input", str(lines)]

    def cold(command: list[str]) -> float:
        with tempfile.TemporaryDirectory(prefix="cold-", dir=directory) as cache:
            return run_program(command, {CACHE: cache}).seconds

    def warm(command: list[str]) -> float:
        return run_program(command, {CACHE: warm_cache}).seconds

    functions: dict[str, Callable[[], float]] = {
        "keras-attn --help": lambda: run_program([*_installed_program(), "--help"]).seconds,
        IMPORT_TENSORFLOW: lambda: run_program(_python("import tensorflow")).seconds,
        IMPORT_PACKAGE: lambda: float(run_program(_python(_TIME_IMPORT)).output),
    }
    for count, command in commands.items():
        functions[translation_name(count, "cold")] = functools.partial(cold, command)
        functions[translation_name(count, "warm")] = functools.partial(warm, command)
    for name, function in functions.items():
        progress(f"{name}: {function():.2f} s the first time, which does not count")
    return functions


def make_cells(figures: dict[str, list[float]]) -> list[Cell]:
    """The lines of the report; those of translations have a ratio to importing TensorFlow.

    Args:
        figures: dict. Name -> seconds, one per round.

    Returns:
        list of dict.
    """
    cells = []
    for name, values in figures.items():
        columns = {"keras_attn": values}
        if name.startswith("translate"):
            columns["import_tensorflow"] = figures[IMPORT_TENSORFLOW]
        cells.append(make_cell(name, columns))
    return cells


def translation_name(count: int, cache: str) -> str:
    return f"translate {count:,} line{'s' if count > 1 else ''}, {cache} cache"


def _installed_program() -> list[str]:
    """`keras-attn` as it is installed beside this Python, or the module if it is not."""
    script = Path(sys.executable).parent / "keras-attn"
    return [str(script)] if script.exists() else PROGRAM


def _python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


if __name__ == "__main__":
    main()
