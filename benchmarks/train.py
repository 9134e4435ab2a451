"""Training speed: keras_attn against `torch.nn.Transformer` and against stock Keras layers.

    python benchmarks/train.py                  all cells, about 15 minutes on 2 cores
    python benchmarks/train.py --quick          the small model, one shape, under 3 minutes
    python benchmarks/train.py --cells "base, 64 x 32"

Figures are target tokens per second of whole training steps: forward, backward, update. Batches are
random ids without padding, rows x length on either side. `torch` is eager PyTorch; `keras_fit` is
the same model from stock Keras layers under plain `compile` and `fit`.

The share of the peak is the speed of the model's matrix products, forward and backward, over that
of one large float32 matrix product, measured in the same run.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Any

import numpy as np
from side_by_side import (
    CPU_ONLY,
    Cell,
    Engine,
    describe_machine,
    make_cell,
    peers_python,
    print_result,
    progress,
    summarize,
    take_turns,
)

from keras_attn.cli.process import HEAP_SETTINGS

VOCABULARY_SIZE = 8_000
LABEL_SMOOTHING = 0.1
SIZES = {
    "small": {"num_layers": 3, "hidden_dim": 256, "intermediate_dim": 1024, "num_heads": 4},
    "base": {"num_layers": 6, "hidden_dim": 512, "intermediate_dim": 2048, "num_heads": 8},
}
SHAPES = ((128, 16), (64, 32))  # rows, length
DIFFERENT_BATCHES = 4
END_TOKEN_ID, FIRST_ORDINARY_ID = 3, 4
MEASUREMENT_SECONDS = 2.0
FEWEST_STEPS = 2
QUICK_ROUNDS = 3
PEAK_WIDTH = 2048


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--quick", action="store_true", help="small, 128 x 16, only; 3 rounds at most"
    )
    parser.add_argument("--rounds", type=int, default=5, help="how often each engine is measured")
    parser.add_argument("--cells", default="", help="measure only cells whose name contains this")
    parser.add_argument("--peers-python", help="interpreter with requirements-peers.txt")
    arguments = parser.parse_args()
    python = peers_python(arguments.peers_python)
    engines = {
        "keras_attn": Engine(
            "keras_attn", "keras_attn_train.py", environment={**CPU_ONLY, **command_environment()}
        ),
        "torch": Engine("torch", "torch_train.py", python, CPU_ONLY),
        "keras_fit": Engine("keras_fit", "keras_fit_train.py", environment=CPU_ONLY),
    }
    rounds = min(arguments.rounds, QUICK_ROUNDS) if arguments.quick else arguments.rounds
    peaks = matrix_product_peaks(engines)
    cells = [
        measure_cell(engines, name, SIZES[size], rows, length, rounds, max(peaks.values()))
        for name, size, rows, length in wanted_cells(arguments.quick, arguments.cells)
    ]
    result = summarize(cells, ["torch", "keras_fit"])
    result["matrix_product_peak_flops"] = peaks
    result["machine"] = describe_machine()
    result["versions"] = {**engines["keras_attn"].versions, **engines["torch"].versions}
    for engine in engines.values():
        engine.close()
    print_result("Training", "target tokens/s", result, list(engines), arguments.json)
    if not arguments.json:
        print_shares(result)


def command_environment() -> dict[str, str]:
    """What `keras-attn train` sets before it restarts itself, unless the user has set it."""
    is_set = any(name in os.environ for name in (*HEAP_SETTINGS, "LD_PRELOAD"))
    return {} if is_set else dict(HEAP_SETTINGS)


def wanted_cells(is_quick: bool, text: str) -> list[tuple[str, str, int, int]]:
    """Name, size, rows and length of the cells whose name contains `text`."""
    cells = [
        (f"{size}, {rows} x {length}", size, rows, length)
        for size in (("small",) if is_quick else SIZES)
        for rows, length in (SHAPES[:1] if is_quick else SHAPES)
    ]
    return [cell for cell in cells if text in cell[0]]


def measure_cell(
    engines: dict[str, Engine],
    name: str,
    size: dict[str, int],
    rows: int,
    length: int,
    rounds: int,
    peak: float,
) -> Cell:
    """One line of the report.

    Args:
        engines: dict. Name -> Engine.
        name: str. The cell's.
        size: dict. The model's arguments.
        rows, length: int. The shape of a batch on either side.
        rounds: int.
        peak: float. The machine's peak, in floating-point operations per second.

    Returns:
        dict, as `--json` prints it.
    """
    sources, targets = random_batches(rows, length)
    arguments = {
        "size": {**size, "vocabulary_size": VOCABULARY_SIZE, "dropout": 0.1},
        "label_smoothing": LABEL_SMOOTHING,
        "sources": sources,
        "targets": targets,
    }
    facts = {}
    for key, engine in engines.items():
        progress(f"{name}: preparing {key}")
        facts[key] = engine.ask("prepare", **arguments)
    losses: dict[str, float] = {}
    measurements = {
        key: _measurement(engine, rows * length, losses) for key, engine in engines.items()
    }
    cell = make_cell(name, take_turns(measurements, rounds))
    step_flops = (
        3 * 2 * forward_multiply_adds(rows, length, vocabulary_size=VOCABULARY_SIZE, **size)
    )
    cell["step_flops"] = step_flops
    for key in ("keras_attn", "torch"):
        cell[f"share_of_peak_{key}"] = cell[key] * step_flops / (rows * length) / peak
    cell["engines"], cell["last_losses"] = facts, losses
    progress(f"{name}: " + ", ".join(f"{key} {cell[key]:,.0f}" for key in engines))
    return cell


def random_batches(rows: int, length: int) -> tuple[list[Any], list[Any]]:
    """Sources and targets, each int (batches, rows, length): no padding, an end token last."""
    rng = np.random.default_rng(rows)
    shape = (2, DIFFERENT_BATCHES, rows, length)
    token_ids = rng.integers(FIRST_ORDINARY_ID, VOCABULARY_SIZE, shape)
    token_ids[..., -1] = END_TOKEN_ID
    sources, targets = token_ids.tolist()
    return sources, targets


def forward_multiply_adds(
    rows: int,
    length: int,
    vocabulary_size: int,
    num_layers: int,
    hidden_dim: int,
    intermediate_dim: int,
    num_heads: int,
) -> int:
    """Multiply-adds of all matrix products of one forward pass.

    For each source or target token, with D, F, V the widths and S = T the length:

        encoder block   4 D^2 (query, key, value, output) + 2 S D (scores, sum) + 2 D F
        decoder block   the same, and 4 D^2 + 2 S D of cross-attention
        output          D V

    In causal attention all positions count too, because all are computed. One multiply-add is two
    floating-point operations, and the backward pass has two products for each of the forward pass,
    so that a training step has 2 x 3 times this. The number of heads changes nothing.
    """
    attention = 4 * hidden_dim**2 + 2 * length * hidden_dim
    feed_forward = 2 * hidden_dim * intermediate_dim
    encoder_block = attention + feed_forward
    decoder_block = 2 * attention + feed_forward
    token = num_layers * (encoder_block + decoder_block) + hidden_dim * vocabulary_size
    return rows * length * token


def matrix_product_peaks(engines: dict[str, Engine]) -> dict[str, float]:
    """Floating-point operations per second of the best 2048 x 2048 x 2048 product of each."""

    def measurement(engine: Engine) -> Callable[[], float]:
        return lambda: engine.ask("matrix_product_peak", width=PEAK_WIDTH, repeat=4)

    progress("the peak of matrix products")
    able = {"tensorflow": engines["keras_attn"], "torch": engines["torch"]}
    figures = take_turns({key: measurement(engine) for key, engine in able.items()}, 3)
    return {key: max(values) for key, values in figures.items()}


def print_shares(result: dict[str, Any]) -> None:
    """Prints what share of the machine's peak each cell reaches."""
    peaks = result["matrix_product_peak_flops"]
    words = ", ".join(f"{key} {value / 1e9:,.0f}" for key, value in peaks.items())
    print(f"peak of float32 matrix products, GFLOP/s: {words}; shares are of the higher one")
    for cell in result["cells"]:
        shares = [f"{key} {cell[f'share_of_peak_{key}']:.0%}" for key in ("keras_attn", "torch")]
        print(f"{cell['name']}: {cell['step_flops'] / 1e9:,.0f} GFLOP a step; {', '.join(shares)}")


def _measurement(engine: Engine, tokens: int, losses: dict[str, float]) -> Callable[[], float]:
    """A function that measures target tokens per second, for steps of `tokens` tokens."""
    seconds = engine.ask("run", steps=1)["seconds"]
    steps = max(FEWEST_STEPS, round(MEASUREMENT_SECONDS / seconds))

    def measure() -> float:
        answer = engine.ask("run", steps=steps)
        losses[engine.name] = answer["loss"]
        return steps * tokens / answer["seconds"]

    return measure


if __name__ == "__main__":
    main()
