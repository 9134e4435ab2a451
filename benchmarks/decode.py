"""Translation speed: our engines against CTranslate2 with the very same weights.

    python benchmarks/decode.py                  all cells, about 25 minutes on 2 cores
    python benchmarks/decode.py --quick          the small model only, under 3 minutes
    python benchmarks/decode.py --saved-model    the exported graph in a Session with XLA off
    python benchmarks/decode.py --frameworks     also Hugging Face's and KerasHub's `generate`
    python benchmarks/decode.py --one-core       one thread for each engine
    python benchmarks/decode.py --trained RUN/translator --source FILE    real lines, mixed lengths

Figures are target tokens per second. Every sentence has 32 source tokens and is forced to 32 target
tokens. `keras_attn` is the `Translator`, compiled by XLA; `litert` is the export for LiteRT; "best"
is the faster of the two in a cell, against CTranslate2 of the same precision. CTranslate2 runs with
the best of the layouts that divide the cores evenly (on 2 cores 1 worker with 2 threads, or 2
workers with 1 thread) and of its libraries (with and without `CT2_USE_MKL=1`), chosen for each
cell. So does the exported graph: one request and all threads for each operation, or one request per
core with one thread each, as a server runs with `--tensorflow_intra_op_parallelism=1`. The
frameworks have models of the same sizes with weights of their own: MarianMT in PyTorch, BART in
KerasHub compiled by XLA.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from pathlib import Path
from typing import Any

from decode_cells import COMPUTE_TYPES, DecodeBenchmark
from side_by_side import (
    CPU_ONLY,
    Cell,
    Engine,
    describe_machine,
    peers_python,
    print_result,
    summarize,
)

FRAMEWORKS = ("huggingface", "keras_hub")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="the small model, V = 8,000, only")
    parser.add_argument("--rounds", type=int, default=5, help="how often each engine is measured")
    parser.add_argument("--cells", default="", help="measure only cells whose name contains this")
    parser.add_argument("--saved-model", action="store_true", help="measure the exported graph")
    parser.add_argument("--frameworks", action="store_true", help="also measure other frameworks")
    parser.add_argument("--one-core", action="store_true", help="let all engines use one core only")
    parser.add_argument("--trained", help="directory of a translator; needs --source")
    parser.add_argument("--source", help="a text file, one sentence a line")
    parser.add_argument("--peers-python", help="interpreter with requirements-peers.txt")
    arguments = parser.parse_args()
    if arguments.trained and arguments.saved_model:
        parser.error(
            "--saved-model returns words, not tokens: leave out one of --saved-model and --trained"
        )
    if arguments.trained and arguments.frameworks:
        parser.error("--frameworks measures random weights: leave --trained out")
    if arguments.one_core:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    python = peers_python(arguments.peers_python)
    ours = Engine("keras_attn", "keras_attn_decode.py", environment=CPU_ONLY)
    one_thread = {**CPU_ONLY, "TF_NUM_INTRAOP_THREADS": "1"}
    servers = [ours]
    if arguments.saved_model:
        servers.append(Engine("keras_attn", "keras_attn_decode.py", environment=one_thread))
    edges = {
        f"litert_{kind}": Engine(f"litert_{kind}", "litert_decode.py", environment=CPU_ONLY)
        for kind in COMPUTE_TYPES
    }
    peers = {
        f"ctranslate2_{kind}": [
            Engine(f"ctranslate2_{kind}", "ctranslate2_decode.py", python, {**CPU_ONLY, **library})
            for library in ({}, {"CT2_USE_MKL": "1"})
        ]
        for kind in COMPUTE_TYPES
    }
    frameworks = {
        name: Engine(name, f"{name}_decode.py", python, CPU_ONLY)
        for name in (FRAMEWORKS if arguments.frameworks else ())
    }
    with tempfile.TemporaryDirectory() as directory:
        engines = (servers, edges, peers, frameworks)
        benchmark = DecodeBenchmark(*engines, arguments, Path(directory))
        cells = benchmark.trained_cells() if arguments.trained else benchmark.forced_cells()
    result = summarize(cells, [*peers, *frameworks])
    result["machine"] = describe_machine()
    result |= geometric_means_of_best(cells)
    others = [*edges.values(), *(engine for pair in peers.values() for engine in pair)]
    result["versions"] = {}
    for engine in (*servers, *others, *frameworks.values()):
        result["versions"] |= engine.versions
        engine.close()
    title = "Decoding" + (", SavedModel with XLA off" if arguments.saved_model else "")
    columns = ["keras_attn", *edges, *peers, *frameworks]
    print_result(title, "target tokens/s", result, columns, arguments.json)
    if not arguments.json:
        print_best(result)


def geometric_means_of_best(cells: list[Cell]) -> dict[str, float]:
    means = {}
    for kind in COMPUTE_TYPES:
        ratios = [cell[f"ratio_best_{kind}"] for cell in cells if f"ratio_best_{kind}" in cell]
        if ratios:
            means[f"geometric_mean_best_{kind}"] = statistics.geometric_mean(ratios)
    return means


def print_best(result: dict[str, Any]) -> None:
    for kind in COMPUTE_TYPES:
        for cell in result["cells"]:
            if f"best_{kind}" in cell:
                ratio, best = cell[f"ratio_best_{kind}"], cell[f"best_{kind}"]
                print(f"{cell['name']}: {best} / ctranslate2_{kind} = {ratio:.2f}")
        mean = result.get(f"geometric_mean_best_{kind}")
        if mean is not None:
            print(f"geometric mean, {kind}: {mean:.2f}")


if __name__ == "__main__":
    main()
