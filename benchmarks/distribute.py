"""What it costs to share training on one machine: one process, two devices, two workers.

    python benchmarks/distribute.py             about 10 minutes on 2 cores
    python benchmarks/distribute.py --quick     the small model only, under 5 minutes

Figures are target tokens of the global batch per second of whole updates. Ids are random, without
padding. `one process` has all cores in one device; `two devices` are two logical CPUs under
`MirroredStrategy`; `two workers` are two processes under `MultiWorkerMirroredStrategy` that share
the cores. The exchange is the sum over replicas of tensors as large as the gradients, by itself.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from side_by_side import (
    CPU_ONLY,
    Cell,
    Engine,
    describe_machine,
    make_cell,
    print_result,
    progress,
    summarize,
    take_turns,
)
from train import SIZES, VOCABULARY_SIZE, command_environment

from keras_attn.cli.local_workers import free_ports, worker_environment

ROWS, LENGTH = 64, 32
# Strategy, logical devices of a process, processes.
WAYS = {
    "one process": ("cpu", 1, 1),
    "two devices": ("mirrored", 2, 1),
    "two workers": ("multi_worker", 1, 2),
}
SHARED = [way for way in WAYS if way != "one process"]
MEASUREMENT_SECONDS = 3.0
FEWEST_STEPS = 2


class Processes:
    """The processes of one way to train, asked all at once.

    Args:
        way: str. One of `WAYS`.
    """

    def __init__(self, way: str) -> None:
        self.strategy, self.devices, count = WAYS[way]
        environments: list[dict[str, str]] = [{}]
        if count > 1:
            addresses = [f"localhost:{port}" for port in free_ports(count)]
            environments = [worker_environment(addresses, index) for index in range(count)]
        self._engines = [
            Engine(
                way,
                "keras_attn_distribute.py",
                environment={**CPU_ONLY, **command_environment(), **environment},
            )
            for environment in environments
        ]

    def ask(self, request: str, **arguments: Any) -> Any:
        """Sends a request to all, and returns the first one's answer once all have answered."""
        with ThreadPoolExecutor() as threads:
            waiting = [threads.submit(one.ask, request, **arguments) for one in self._engines]
            return [one.result() for one in waiting][0]

    def close(self) -> None:
        """Ends all of them; a worker waits for the others, so they are told at once."""
        with ThreadPoolExecutor() as threads:
            list(threads.map(Engine.close, self._engines))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="small only; 3 rounds at most")
    parser.add_argument("--rounds", type=int, default=5, help="how often each way is measured")
    arguments = parser.parse_args()
    rounds = min(arguments.rounds, 3) if arguments.quick else arguments.rounds
    cells = [measure_cell(size, rounds) for size in (("small",) if arguments.quick else SIZES)]
    result = summarize(cells, SHARED)
    result["machine"] = describe_machine()
    result["versions"] = [cell.pop("versions") for cell in cells][0]
    print_result("Training", "target tokens/s", result, list(WAYS), arguments.json)
    if not arguments.json:
        print_exchanges(cells)


def measure_cell(size: str, rounds: int) -> Cell:
    """One line of the report.

    Args:
        size: str. One of `SIZES`.
        rounds: int.

    Returns:
        dict, as `--json` prints it.
    """
    name = f"{size}, {ROWS} x {LENGTH}"
    model = {**SIZES[size], "vocabulary_size": VOCABULARY_SIZE, "dropout": 0.1}
    ways = {way: Processes(way) for way in WAYS}
    gradient_bytes = 0
    for way, processes in ways.items():
        progress(f"{name}: preparing {way}")
        gradient_bytes = processes.ask(
            "prepare", strategy=processes.strategy, devices=processes.devices, size=model,
            rows=ROWS, length=LENGTH,
        )  # fmt: skip
    figures = take_turns({way: _measurement(one) for way, one in ways.items()}, rounds)
    cell = make_cell(name, figures, ours="one process")
    exchanges = {way: (lambda one=ways[way]: one.ask("exchange")) for way in SHARED}
    seconds = take_turns(exchanges, 3 * rounds)
    cell["versions"] = ways["one process"].ask("versions")
    cell["exchange_bytes"] = gradient_bytes
    for way in SHARED:
        cell[f"exchange_seconds_{way}"] = statistics.median(seconds[way])
        cell[f"exchange_share_{way}"] = statistics.median(seconds[way]) * cell[way] / ROWS / LENGTH
    for processes in ways.values():
        processes.close()
    return cell


def print_exchanges(cells: list[Cell]) -> None:
    """Prints what share of an update the exchange of gradients takes."""
    for cell in cells:
        words = ", ".join(
            f"{way} {1000 * cell[f'exchange_seconds_{way}']:,.1f} ms = "
            f"{cell[f'exchange_share_{way}']:.1%} of an update"
            for way in SHARED
        )
        print(f"{cell['name']}: exchange of {cell['exchange_bytes'] / 1e6:,.1f} MB: {words}")


def _measurement(processes: Processes) -> Callable[[], float]:
    """A function that measures target tokens per second."""
    steps = max(FEWEST_STEPS, round(MEASUREMENT_SECONDS / processes.ask("run", steps=1)))
    return lambda: steps * ROWS * LENGTH / processes.ask("run", steps=steps)


if __name__ == "__main__":
    main()
