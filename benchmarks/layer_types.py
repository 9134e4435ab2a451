"""The paper's Table 1, measured: one layer of self-attention, recurrence and convolution.

    python benchmarks/layer_types.py --output runs/layer_types

For each kind of layer and each width: time of one layer, forward and backward, for sequences from
16 to 2,048 positions, 4 sequences at a time, compiled by XLA; and the number of its parameters.
Beside these are the entries of the paper's Table 1: operations, sequential operations, and the
longest path between two positions. It writes `layer_types.json`, a table and a plot.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from layer_step import compiled_step
from side_by_side import describe_machine, progress

from keras_attn import layers

ROWS = 4
WIDTHS = (128, 512)
LENGTHS = (16, 64, 256, 512, 1024, 2048)
KERNEL, WINDOW = 3, 32

# Name -> what makes a layer of a width, and what Table 1 says about it.
KINDS: dict[str, tuple[Callable[[int], Any], tuple[str, str, str]]] = {
    "self-attention": (
        lambda width: layers.MultiHeadAttention(width // 64, 64),
        ("O(n^2 d)", "O(1)", "O(1)"),
    ),
    "recurrent": (layers.LongShortTermMemory, ("O(n d^2)", "O(n)", "O(n)")),
    "convolutional": (
        lambda width: layers.GatedConvolution(width, kernel_size=KERNEL),
        ("O(k n d^2)", "O(1)", "O(n / k) stacked"),
    ),
    "self-attention (restricted)": (
        lambda width: layers.LocalAttention(width // 64, 64, sliding_window=WINDOW),
        ("O(r n d)", "O(1)", "O(n / r)"),
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--output", type=Path, required=True, help="a directory")
    parser.add_argument("--quick", action="store_true", help="one width, short sequences")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    widths, lengths = (WIDTHS[:1], LENGTHS[:2]) if arguments.quick else (WIDTHS, LENGTHS)
    rows = []
    for name, (make, _) in KINDS.items():
        for width in widths:
            seconds, parameters = measure(make, width, lengths)
            rows.append({"kind": name, "width": width, "parameters": parameters, **seconds})
            progress(str(rows[-1]))
    result = {"rows": rows, "machine": describe_machine()}
    path = arguments.output / "layer_types.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    text = table(rows, lengths)
    (arguments.output / "layer_types.md").write_text(text, encoding="utf-8")
    draw(rows, lengths, arguments.output / "layer_types.png")
    print(text)


def measure(
    make: Callable[[int], Any], width: int, lengths: tuple[int, ...]
) -> tuple[dict[str, float], int]:
    """Seconds of a step at each length, medians of 5; and the number of parameters."""
    seconds = {}
    for length in lengths:
        layer = make(width)
        layer.build((ROWS, length, width))
        step = compiled_step(layer)
        shape = (ROWS, length, width)
        inputs = tf.constant(np.random.default_rng(0).normal(size=shape), tf.float32)
        step(inputs)
        times = []
        for _ in range(5):
            started = time.perf_counter()
            step(inputs).numpy()
            times.append(time.perf_counter() - started)
        seconds[str(length)] = statistics.median(times)
    return seconds, layer.count_params()


def table(rows: list[dict[str, Any]], lengths: tuple[int, ...]) -> str:
    """Milliseconds of a step, one line for each kind and width, in Markdown."""
    head = ["layer", "operations", "sequential", "longest path", "width", "parameters"]
    head += [f"n = {length:,}" for length in lengths]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for row in rows:
        cells = [row["kind"], *KINDS[row["kind"]][1], str(row["width"]), f"{row['parameters']:,}"]
        cells += [f"{1000 * row[str(length)]:,.1f} ms" for length in lengths]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def draw(rows: list[dict[str, Any]], lengths: tuple[int, ...], path: Path) -> None:
    """Time against the length, both logarithmic, one picture for each width."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    widths = sorted({row["width"] for row in rows})
    figure, axes = pyplot.subplots(
        1, len(widths), figsize=(5.5 * len(widths), 4.5), layout="constrained", squeeze=False
    )
    for axis, width in zip(axes[0], widths, strict=True):
        for row in rows:
            if row["width"] == width:
                times = [1000 * row[str(length)] for length in lengths]
                axis.plot(lengths, times, marker="o", label=row["kind"])
        axis.set(xscale="log", yscale="log", xlabel="positions", title=f"width {width}")
        axis.grid(alpha=0.3)
    axes[0, 0].set(ylabel="milliseconds, forward and backward")
    axes[0, 0].legend(fontsize=8)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
