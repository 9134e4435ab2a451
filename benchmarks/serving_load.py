"""A development server under load: answers, latency, batching, hot swaps, memory, and its end.

    python benchmarks/serving_load.py --lines data/multi30k/val.en

32 clients send one line each over gRPC, again and again, and compare each answer with what the
model says in another process. Two servers are measured in turns: one that computes one request at a
time, and one that computes waiting requests together. Then versions are swapped under the same
load, and at the end the server is told to stop while requests run.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from development_server import DevelopmentServer
from side_by_side import describe_machine, progress

from keras_attn.lines import read_lines
from keras_attn.serving import AsyncServingClient, RetryPolicy, ServingError
from keras_attn.serving.saved_model_translator import SavedModelTranslator

REPOSITORY = Path(__file__).resolve().parents[1]
VERSION = REPOSITORY / "saved_models" / "tatoeba_en_de" / "1"
CLIENTS = 32
MODEL = "loaded"
ONCE = RetryPolicy(attempts=1)  # a request that fails counts as lost


class Load:
    """Clients that send lines until they are told to stop, and compare the answers."""

    def __init__(self, address: str, expected: dict[str, str]) -> None:
        self._address, self._expected = address, expected
        self.seconds: list[float] = []
        self.wrong = self.lost = self.refused_at_the_end = 0
        self._stopping = False

    async def run(self, seconds: float) -> None:
        """Sends lines for a number of seconds."""
        lines, end = itertools.cycle(self._expected), time.monotonic() + seconds
        async with AsyncServingClient(self._address, MODEL, retry=ONCE, concurrency=99) as client:
            await asyncio.gather(*(self._send(client, lines, end) for _ in range(CLIENTS)))

    def expect_the_end(self) -> None:
        """From now on the server may refuse new requests."""
        self._stopping = True

    async def _send(self, client: AsyncServingClient, lines: Iterator[str], end: float) -> None:
        while time.monotonic() < end:
            line, started, before = next(lines), time.monotonic(), self._stopping
            try:
                (text,) = await client.translate([line])
            except ServingError:
                if before:
                    self.refused_at_the_end += 1
                    return
                self.lost += 1
                continue
            self.seconds.append(time.monotonic() - started)
            self.wrong += text != self._expected[line]

    def result(self, seconds: float) -> dict[str, Any]:
        """Counts, latencies in milliseconds, and answers per second."""
        percentiles = statistics.quantiles(self.seconds, n=100)
        return {
            "answers": len(self.seconds),
            "wrong": self.wrong,
            "lost": self.lost,
            "answers_per_second": len(self.seconds) / seconds,
            **{f"p{p}_ms": 1000 * percentiles[p - 1] for p in (50, 95, 99)},
        }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--lines", type=Path, required=True, help="a file of source sentences, one per line"
    )
    parser.add_argument("--version", type=Path, default=VERSION, help="SavedModel version")
    parser.add_argument("--seconds", type=float, default=120.0, help="seconds of each load")
    parser.add_argument("--rounds", type=int, default=1, help="rounds of both servers")
    parser.add_argument("--swaps", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    lines = list(dict.fromkeys(read_lines(arguments.lines)))[:500]
    progress("what the model says")
    translator = SavedModelTranslator(arguments.version)
    expected = dict(zip(lines, translator.translate(lines), strict=True))
    result: dict[str, Any] = {"machine": describe_machine(), "lines": len(lines), "loads": []}
    with tempfile.TemporaryDirectory() as temporary:
        models = Path(temporary)
        shutil.copytree(arguments.version, models / MODEL / "1")
        for _ in range(arguments.rounds):
            for name, options in (
                ("one at a time", ["--max-batch-size", "1"]),
                ("together", []),
            ):
                progress(f"{name}: {arguments.seconds:g} seconds")
                server = DevelopmentServer(models, *options)
                load = Load(server.address, expected)
                asyncio.run(load.run(arguments.seconds))
                result["loads"].append({"name": name, **load.result(arguments.seconds)})
                server.stop()
        result["swaps"] = asyncio.run(swaps(models, expected, arguments.swaps))
    result["ratio"] = ratio(result["loads"])
    print(json.dumps(result) if arguments.json else json.dumps(result, indent=2))


async def swaps(models: Path, expected: dict[str, str], count: int) -> dict[str, Any]:
    """Publishes new versions under load; then stops the server under load."""
    server = DevelopmentServer(models)
    load = Load(server.address, expected)
    running = asyncio.create_task(load.run(3600))
    memory = []
    async with AsyncServingClient(server.address, MODEL) as client:
        await asyncio.sleep(10)
        memory.append(server.memory())
        for version in range(2, count + 2):
            progress(f"swap to version {version}")
            await asyncio.to_thread(publish, models, version)
            while True:
                states = {one.version: one.state for one in await client.versions()}
                if states.get(version) == "AVAILABLE" and states.get(version - 1) == "END":
                    break
                await asyncio.sleep(0.5)
            await asyncio.sleep(5)
            memory.append(server.memory())
    load.expect_the_end()
    status = await asyncio.to_thread(server.stop)
    await running
    return {
        "answers": len(load.seconds),
        "wrong": load.wrong,
        "lost": load.lost,
        "memory_mib": memory,
        "exit_status": status,
        "refused_after_the_end": load.refused_at_the_end,
    }


def publish(models: Path, version: int) -> None:
    """Publishes a copy of version 1, which appears complete."""
    made = shutil.copytree(models / MODEL / "1", models / f"{MODEL}.{version}.tmp")
    made.rename(models / MODEL / str(version))


def ratio(loads: list[dict[str, Any]]) -> float:
    """Median answers per second with batching, divided by those without."""
    medians = {
        name: statistics.median(one["answers_per_second"] for one in loads if one["name"] == name)
        for name in ("one at a time", "together")
    }
    return medians["together"] / medians["one at a time"]


if __name__ == "__main__":
    main()
