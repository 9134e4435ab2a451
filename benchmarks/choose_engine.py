"""What translating costs with each engine: start, lines per second, memory, size, equal text.

    python benchmarks/choose_engine.py --lines data/multi30k/train.en
    python benchmarks/choose_engine.py --lines train.en --sizes 100000 --only ctranslate2

One line, 64 lines and a pile of 3,000 are translated by `keras-attn translate`, each in a process
of its own, as a user runs it; with `--engine beam`, from file to file. Beside them stands
`keras-attn serve`: for a server that already runs, the time is that of the requests alone. The
engines take turns. What an engine exports or compiles only once is made beforehand.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from development_server import DevelopmentServer
from rich.console import Console
from rich.table import Table
from side_by_side import FILE_WIDTH, describe_machine, progress

from keras_attn.lines import read_lines
from keras_attn.pretrained import DEFAULT_MODEL, find_pretrained
from keras_attn.serving import ServingClient

BEAM = "beam, TensorFlow"
SERVER = "a running server"
MODEL = "tatoeba"
# Runs `keras-attn`, and at the end prints the peak of its memory in KiB. `ru_maxrss` would be no
# less than this program's own, which a new process inherits.
PROGRAM = r"""
import re, runpy, sys
sys.argv[0] = "keras-attn"
try:
    runpy.run_module("keras_attn", run_name="__main__")
finally:
    with open("/proc/self/status") as status:
        print(re.search(r"VmHWM:\s+(\d+) kB", status.read())[1], file=sys.stderr)
"""


class Answer(NamedTuple):
    """The translations of some lines, and what they cost."""

    lines: list[str]
    seconds: float
    mebibytes: float


class Engine(NamedTuple):
    """How lines are translated, and the files that it needs."""

    translate: Callable[[list[str]], Answer]
    files: Path


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--lines", type=Path, required=True, help="a file of source sentences, one per line"
    )
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[1, 64, 3000], help="numbers of lines"
    )
    parser.add_argument(
        "--rounds", type=int, default=3, help="rounds for up to 64 lines (default: 3)"
    )
    parser.add_argument("--only", default="", help="measure engines whose name contains this")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    lines = read_lines(arguments.lines)[: max(arguments.sizes)]
    if len(lines) < max(arguments.sizes):
        parser.error(f"--lines must have {max(arguments.sizes):,} lines. It has {len(lines):,}")
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        os.environ["KERAS_ATTN_CACHE"] = str(directory / "cache")  # the commands inherit it
        engines = prepare(directory)
        if arguments.only in SERVER:
            server = DevelopmentServer(directory / "models")
            stack.callback(server.stop)  # also after an error
            engines[SERVER] = served(server, directory / "models" / MODEL)
        chosen = {name: engine for name, engine in engines.items() if arguments.only in name}
        cells = measure(chosen, lines, arguments.sizes, arguments.rounds)
    result = {"sizes": arguments.sizes, "cells": cells, "machine": describe_machine()}
    if arguments.json:
        print(json.dumps(result))
    else:
        print_table(result)


def prepare(directory: Path) -> dict[str, Engine]:
    """Exports the model for each engine that translates from the command line."""
    model, litert = find_pretrained(DEFAULT_MODEL), directory / "litert"
    saved = directory / "models" / MODEL
    command("export", DEFAULT_MODEL, str(litert), "--format", "litert")
    command("export", DEFAULT_MODEL, str(saved))
    engines = {
        "tensorflow, XLA for 128 lines and more": piped(model, DEFAULT_MODEL, "--beams", "4"),
        "tensorflow, SavedModel": piped(saved, str(saved / "1")),
        "litert, float32": piped(litert, str(litert)),
        "litert, int8": piped(model / "litert", str(model / "litert")),
    }
    for quantize in ([], ["--quantize", "int8"]):
        options = [DEFAULT_MODEL, "--engine", "ctranslate2", *quantize]
        command("translate", *options, lines=["A dog."])
        kind = "int8" if quantize else "float32"
        (exported,) = (directory / "cache" / "ctranslate2").glob(f"*-{kind}")
        engines[f"ctranslate2, {kind}"] = piped(exported, *options)
    engines[BEAM] = from_file_to_file(model, directory, DEFAULT_MODEL, "--engine", "beam")
    return engines


def piped(files: Path, *options: str) -> Engine:
    """`keras-attn translate` from standard input to standard output."""

    def translate(lines: list[str]) -> Answer:
        return command("translate", *options, lines=lines)

    return Engine(translate, files)


def from_file_to_file(files: Path, directory: Path, *options: str) -> Engine:
    """`keras-attn translate` from a file to a file."""

    def translate(lines: list[str]) -> Answer:
        with tempfile.TemporaryDirectory(dir=directory) as here:
            source, output = Path(here, "lines.txt"), Path(here, "output")
            source.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            names = ["--input", str(source), "--output", str(output)]
            answer = command("translate", *options, *names)
            (written,) = Path(here).glob("output-00000-of-00001")
            return answer._replace(lines=read_lines(written))

    return Engine(translate, files)


def served(server: DevelopmentServer, files: Path) -> Engine:
    """Requests to a server, 32 lines each and 4 at a time, as the client sends them."""

    def translate(lines: list[str]) -> Answer:
        with ServingClient(server.address, MODEL, timeout=600) as client:
            started = time.perf_counter()
            translations = client.translate(lines)
            seconds = time.perf_counter() - started
        return Answer(translations, seconds, server.memory())

    return Engine(translate, files)


def measure(
    engines: dict[str, Engine], lines: list[str], sizes: list[int], rounds: int
) -> dict[str, dict[str, float]]:
    """Seconds, memory and equal translations of each engine, in turns."""
    cells: dict[str, dict[str, float]] = {
        name: {"megabytes_on_disk": size_of(engine.files)} for name, engine in engines.items()
    }
    for size in sizes:
        for engine in engines.values():  # what XLA compiles is kept
            engine.translate(lines[: min(size, 200)])
        answers: dict[str, list[Answer]] = {name: [] for name in engines}
        for _ in range(rounds if size <= 64 else 1):
            for name, engine in engines.items():
                progress(f"{size:,} lines: {name}")
                answers[name].append(engine.translate(lines[:size]))
        expected = next(iter(answers.values()))[0].lines
        for name, ours in answers.items():
            same = [left == right for left, right in zip(ours[0].lines, expected, strict=True)]
            cells[name] |= {
                f"seconds_{size}": statistics.median(one.seconds for one in ours),
                f"mebibytes_{size}": statistics.median(one.mebibytes for one in ours),
                f"percent_as_the_first_{size}": 100 * statistics.mean(same),
            }
    return cells


def command(*arguments: str, lines: list[str] | None = None) -> Answer:
    """Runs `keras-attn`."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        input="".join(f"{line}\n" for line in lines or []),
        capture_output=True,
        text=True,
    )
    seconds = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stderr}")
    return Answer(done.stdout.split("\n")[:-1], seconds, int(done.stderr.split()[-1]) / 1024)


def size_of(path: Path) -> float:
    files = [one for one in path.rglob("*") if one.is_file()]
    if path == find_pretrained(DEFAULT_MODEL):  # its LiteRT form is beside it
        files = [one for one in files if "litert" not in one.relative_to(path).parts]
    return sum(one.stat().st_size for one in files) / 1e6


def print_table(result: dict[str, Any]) -> None:
    console = Console() if sys.stdout.isatty() else Console(width=FILE_WIDTH)
    sizes = result["sizes"]
    table = Table(title="from lines to translations: seconds and MiB")
    names = [f"{size:,} lines" for size in sizes]
    for column in ("engine", *names, "as the first, %", "MB on disk"):
        table.add_column(column, justify="left" if column == "engine" else "right")
    for name, cell in result["cells"].items():
        costs = [
            f"{cell[f'seconds_{size}']:.2f}, {cell[f'mebibytes_{size}']:,.0f}" for size in sizes
        ]
        same = f"{cell[f'percent_as_the_first_{sizes[-1]}']:.1f}"
        table.add_row(name, *costs, same, f"{cell['megabytes_on_disk']:.1f}")
    console.print(table)
    console.print(f"machine: {json.dumps(result['machine'])}", soft_wrap=True)


if __name__ == "__main__":
    main()
