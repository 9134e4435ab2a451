"""Time and peak memory of every kind of attention against the length of the sequence.

    python benchmarks/attention_scaling.py --output runs/attention_scaling
    python benchmarks/attention_scaling.py --output runs/attention_scaling --longest 2048

One step is self-attention of one sequence, forward and backward, compiled by XLA: 4 heads of 32, an
input of width 128. Each cell runs in a program of its own, so its peak memory is its own: the most
that was resident during the steps, minus what was resident before them. A cell that already exists
is not measured again, so the command can be stopped and restarted. `dense` computes all weights at
once; `chunked` is the same layer in chunks, as it chooses by itself for long sequences. Dense
attention is left out where it would not fit into memory.

It writes `attention_scaling.json`, a table, and a plot. The slopes are those of the logarithms,
over 2,048 and more positions: 1 is linear, 2 is quadratic.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from side_by_side import describe_machine, progress

HEADS, KEY_DIM = 4, 32
LENGTHS = (128, 256, 512, 1024, 2048, 4096, 8192, 16384)
SLOPE_FROM = 2048
# Float32 arrays of the size of the weights that a dense step keeps at its peak.
DENSE_COPIES = 4
WINDOW = 128


def kinds() -> dict[str, dict[str, Any]]:
    """Name of an attention -> what fills the slot."""
    return {
        "dense": {"name": "multi_head"},
        "chunked": {"name": "multi_head"},
        "local": {"name": "local", "sliding_window": WINDOW},
        "big_bird": {"name": "big_bird"},
        "strided": {"name": "strided"},
        "fixed": {"name": "fixed"},
        "linformer": {"name": "linformer", "max_sequence_length": max(LENGTHS)},
        "linear": {"name": "linear"},
        "performer": {"name": "performer"},
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--output", type=Path, required=True, help="a directory")
    parser.add_argument("--longest", type=int, default=max(LENGTHS), help="positions")
    parser.add_argument(
        "--kinds", default=",".join(kinds()), help="kinds of attention, separated by commas"
    )
    parser.add_argument("--cell", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.cell:
        kind, length = arguments.cell
        print(json.dumps(measure(kind, int(length))))
        return
    arguments.output.mkdir(parents=True, exist_ok=True)
    path = arguments.output / "attention_scaling.json"
    result = json.loads(path.read_text()) if path.exists() else {"cells": {}}
    result["machine"] = describe_machine()
    for kind in arguments.kinds.split(","):
        for length in LENGTHS:
            name = f"{kind} {length}"
            if length > arguments.longest or name in result["cells"] or not fits(kind, length):
                continue
            result["cells"][name] = cell(kind, length)
            progress(f"{name}: {result['cells'][name]}")
            path.write_text(json.dumps(result, indent=2))
    result["slopes"] = slopes(result["cells"])
    path.write_text(json.dumps(result, indent=2))
    text = table(result)
    (arguments.output / "attention_scaling.md").write_text(text, encoding="utf-8")
    plot(result, arguments.output / "attention_scaling.png")
    print(text)


def fits(kind: str, length: int) -> bool:
    """Whether a dense step leaves half of the machine's memory free."""
    pages = Path("/proc/meminfo").read_text().split()
    total = 1024 * int(pages[1])
    return kind != "dense" or DENSE_COPIES * HEADS * length**2 * 4 < total / 2


def cell(kind: str, length: int) -> dict[str, float]:
    """Measures one cell in a program of its own."""
    command = [sys.executable, __file__, "--output", ".", "--cell", kind, str(length)]
    finished = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    figures: dict[str, float] = json.loads(finished.stdout)
    return figures


def measure(kind: str, length: int, repeats: int = 5) -> dict[str, float]:
    """Seconds and MiB of a step: the median after a first one that compiles."""
    import numpy as np
    import tensorflow as tf
    from layer_step import compiled_step

    from keras_attn.layers.slots import fill_slot

    layer: Any = fill_slot(
        "attention", kinds()[kind], "attention", num_heads=HEADS, key_dim=KEY_DIM
    )
    inputs = np.random.default_rng(0).normal(size=(1, length, HEADS * KEY_DIM)).astype("float32")
    layer.build(inputs.shape)
    if kind == "dense":
        layer._is_long = lambda *_: False

    inputs = tf.constant(inputs)
    step = compiled_step(layer)
    compiled = step.get_concrete_function(tf.TensorSpec(inputs.shape))  # type: ignore[attr-defined]
    before = resident_mebibytes()
    compiled(inputs).numpy()
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        compiled(inputs).numpy()
        seconds.append(time.perf_counter() - started)
        if sum(seconds) > 60:
            break
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "seconds": statistics.median(seconds),
        "spread": max(seconds) - min(seconds),
        "mebibytes": peak - before,
    }


def resident_mebibytes() -> float:
    """Resident memory of this program now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def slopes(cells: dict[str, Any]) -> dict[str, dict[str, float]]:
    """How fast the logarithms of time and memory rise with that of the length."""
    found = {}
    for kind in kinds():
        lengths = [one for one in LENGTHS if one >= SLOPE_FROM and f"{kind} {one}" in cells]
        if len(lengths) > 1:
            figures = [cells[f"{kind} {length}"] for length in lengths]
            found[kind] = {
                name: _slope(lengths, [figure[name] for figure in figures])
                for name in ("seconds", "mebibytes")
            }
    return found


def _slope(lengths: list[int], values: list[float]) -> float:
    """The least-squares slope of the logarithms."""
    xs, ys = [math.log(x) for x in lengths], [math.log(max(y, 1e-9)) for y in values]
    middle_x, middle_y = statistics.mean(xs), statistics.mean(ys)
    products = sum((x - middle_x) * (y - middle_y) for x, y in zip(xs, ys, strict=True))
    return products / sum((x - middle_x) ** 2 for x in xs)


def table(result: dict[str, Any]) -> str:
    """Milliseconds and MiB, one row for each attention."""
    cells = result["cells"]
    lengths = [one for one in LENGTHS if any(name.endswith(f" {one}") for name in cells)]
    head = " | ".join(f"{length:,}" for length in lengths)
    lines = [f"| ms / MiB | {head} | slopes |", "|---" * (len(lengths) + 2) + "|"]
    for kind in kinds():
        figures = [cells.get(f"{kind} {length}") for length in lengths]
        texts = [
            "-" if one is None else f"{1000 * one['seconds']:,.0f} / {one['mebibytes']:,.0f}"
            for one in figures
        ]
        slope = result["slopes"].get(kind)
        last = "-" if slope is None else f"{slope['seconds']:.2f} / {slope['mebibytes']:.2f}"
        lines.append(f"| {kind} | {' | '.join(texts)} | {last} |")
    return "\n".join(lines) + "\n"


def plot(result: dict[str, Any], path: Path) -> None:
    """Time and memory against the length, both logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(11, 4.5))
    for axis, name, unit in zip(axes, ("seconds", "mebibytes"), ("seconds", "MiB"), strict=True):
        for kind in kinds():
            found = [(x, result["cells"].get(f"{kind} {x}")) for x in LENGTHS]
            points = [
                (x, max(cell[name], 0.1 if unit == "MiB" else 0)) for x, cell in found if cell
            ]
            axis.plot(*zip(*points, strict=True), marker="o", label=kind)
        axis.set(xscale="log", yscale="log", xlabel="positions", ylabel=f"{unit} of a step")
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
