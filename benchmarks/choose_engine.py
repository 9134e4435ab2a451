"""What `keras-attn translate` costs with each engine: start, lines per second, memory, size.

    python benchmarks/choose_engine.py --lines data/multi30k/train.en

One line, 64 lines and a pile are translated by the command itself, each in a process of its own, as
a user runs it. The engines take turns. What an engine exports or compiles only once is made
beforehand.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from side_by_side import FILE_WIDTH, describe_machine, progress

from keras_attn.lines import read_lines
from keras_attn.pretrained import DEFAULT_MODEL, find_pretrained


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--lines", type=Path, required=True, help="a file of source sentences, one per line"
    )
    parser.add_argument("--pile", type=int, default=3000, help="lines of the pile (default: 3,000)")
    parser.add_argument(
        "--rounds", type=int, default=3, help="rounds for one line and for 64 lines (default: 3)"
    )
    parser.add_argument("--only", default="", help="measure engines whose name contains this")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    lines = read_lines(arguments.lines)[: arguments.pile]
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        engines = prepare(directory)
        chosen = {name: engines[name] for name in engines if arguments.only in name}
        result = measure(chosen, lines, arguments.rounds)
    result["machine"] = describe_machine()
    print(json.dumps(result) if arguments.json else "")
    if not arguments.json:
        print_table(result)


def prepare(directory: Path) -> dict[str, tuple[list[str], Path]]:
    """Exports the model for each engine; returns arguments of `translate` and what it reads."""
    os.environ["KERAS_ATTN_CACHE"] = str(directory / "cache")  # the commands inherit it
    model = find_pretrained(DEFAULT_MODEL)
    litert, saved = directory / "litert", directory / "saved"
    command("export", DEFAULT_MODEL, str(litert), "--format", "litert")
    command("export", DEFAULT_MODEL, str(saved))
    engines = {
        "tensorflow, XLA for 128 lines and more": ([DEFAULT_MODEL, "--beams", "4"], model),
        "tensorflow, SavedModel": ([str(saved / "1")], saved / "1"),
        "litert, float32": ([str(litert)], litert),
        "litert, int8": ([str(model / "litert")], model / "litert"),
    }
    for quantize in ([], ["--quantize", "int8"]):
        options = [DEFAULT_MODEL, "--engine", "ctranslate2", *quantize]
        command("translate", *options, lines=["A dog."])
        kind = "int8" if quantize else "float32"
        (exported,) = (directory / "cache" / "ctranslate2").glob(f"*-{kind}")
        engines[f"ctranslate2, {kind}"] = (options, exported)
    return engines


def measure(
    engines: dict[str, tuple[list[str], Path]], lines: list[str], rounds: int
) -> dict[str, Any]:
    """Seconds and memory of each engine, in turns."""
    cells: dict[str, dict[str, Any]] = {name: {} for name in engines}
    for size, repeat in ((1, rounds), (64, rounds), (len(lines), 1)):
        for options, _ in engines.values():  # what XLA compiles is kept
            command("translate", *options, lines=lines[: min(size, 200)])
        for _ in range(repeat):
            for name, (options, _) in engines.items():
                progress(f"{size:,} lines: {name}")
                seconds, mebibytes = command("translate", *options, lines=lines[:size])
                cells[name].setdefault(f"seconds_{size}", []).append(seconds)
                cells[name].setdefault(f"mebibytes_{size}", []).append(mebibytes)
    for name, (_, path) in engines.items():
        cells[name] = {key: statistics.median(values) for key, values in cells[name].items()}
        cells[name]["megabytes_on_disk"] = size_of(path)
    return {"lines": len(lines), "cells": cells}


def command(*arguments: str, lines: list[str] | None = None) -> tuple[float, float]:
    """Runs `keras-attn`; returns seconds and its peak resident memory in MiB."""
    program = (
        "import resource, runpy, sys; sys.argv[0] = 'keras-attn'\n"
        "try: runpy.run_module('keras_attn', run_name='__main__')\n"
        "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
    )
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        input="".join(f"{line}\n" for line in lines or []),
        capture_output=True,
        text=True,
    )
    seconds = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stderr}")
    return seconds, int(done.stderr.split()[-1]) / 1024


def size_of(path: Path) -> float:
    files = [one for one in path.rglob("*") if one.is_file()]
    if path == find_pretrained(DEFAULT_MODEL):  # its LiteRT form is beside it
        files = [one for one in files if "litert" not in one.relative_to(path).parts]
    return sum(one.stat().st_size for one in files) / 1e6


def print_table(result: dict[str, Any]) -> None:
    console = Console() if sys.stdout.isatty() else Console(width=FILE_WIDTH)
    pile = result["lines"]
    table = Table(title="keras-attn translate, from command to text")
    for column in ("engine", "1 line, s", "64 lines, s", f"{pile:,} lines, s", "MiB", "MB on disk"):
        table.add_column(column, justify="left" if column == "engine" else "right")
    for name, cell in result["cells"].items():
        seconds = [f"{cell[f'seconds_{size}']:.2f}" for size in (1, 64, pile)]
        memory = f"{cell['mebibytes_1']:.0f} - {cell[f'mebibytes_{pile}']:.0f}"
        table.add_row(name, *seconds, memory, f"{cell['megabytes_on_disk']:.1f}")
    console.print(table)
    console.print(f"machine: {json.dumps(result['machine'])}", soft_wrap=True)


if __name__ == "__main__":
    main()
