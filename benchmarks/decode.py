"""Translation speed: our engines against CTranslate2 with the very same weights.

    python benchmarks/decode.py                  all cells, about 25 minutes on 2 cores
    python benchmarks/decode.py --quick          the small model only, under 3 minutes
    python benchmarks/decode.py --saved-model    the exported graph in a Session with XLA off
    python benchmarks/decode.py --trained RUN/translator --source FILE    real lines, mixed lengths

Figures are target tokens per second. Every sentence has 32 source tokens and is forced to 32 target
tokens. `keras_attn` is the `Translator`, compiled by XLA; `litert` the export for LiteRT; "best"
the better of the two in a cell, against CTranslate2 of the same precision. CTranslate2 runs at the
best of the layouts that share the cores out evenly (on 2 cores 1 worker with 2 threads, or 2
workers with 1 thread) and of its libraries (`CT2_USE_MKL=1` and not); chosen for each cell. So does
the exported graph: one request and all threads for each operation, or a request a core with one
thread each, as a server runs with `--tensorflow_intra_op_parallelism=1`.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from side_by_side import (
    CPU_ONLY,
    Cell,
    Engine,
    describe_machine,
    make_cell,
    num_cores,
    peers_python,
    print_result,
    progress,
    summarize,
    take_turns,
)

LENGTH = 32
COMPUTE_TYPES = ("float32", "int8")
SHORTEST_MEASUREMENT_SECONDS = 0.4


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="the small model, V = 8,000, only")
    parser.add_argument("--rounds", type=int, default=5, help="how often each engine is measured")
    parser.add_argument("--cells", default="", help="measure only cells whose name contains this")
    parser.add_argument("--saved-model", action="store_true", help="measure the exported graph")
    parser.add_argument("--trained", help="directory of a translator; needs --source")
    parser.add_argument("--source", help="a text file, one sentence a line")
    parser.add_argument("--peers-python", help="interpreter with requirements-peers.txt")
    arguments = parser.parse_args()
    if arguments.trained and arguments.saved_model:
        parser.error("--saved-model gives words, not tokens, of real lines: leave one of them out")
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
    with tempfile.TemporaryDirectory() as directory:
        benchmark = DecodeBenchmark(servers, edges, peers, arguments, Path(directory))
        cells = benchmark.trained_cells() if arguments.trained else benchmark.forced_cells()
    result = summarize(cells, list(peers))
    result["machine"] = describe_machine()
    result |= geometric_means_of_best(cells)
    others = [*edges.values(), *(engine for pair in peers.values() for engine in pair)]
    result["versions"] = {**ours.versions, **others[0].versions, **others[-1].versions}
    for engine in (*servers, *others):
        engine.close()
    title = "Decoding" + (", SavedModel with XLA off" if arguments.saved_model else "")
    print_result(title, "target tokens/s", result, ["keras_attn", *edges, *peers], arguments.json)
    if not arguments.json:
        print_best(result)


class DecodeBenchmark:
    """The cells of one call of this program."""

    def __init__(
        self,
        servers: list[Engine],
        edges: dict[str, Engine],
        peers: dict[str, list[Engine]],
        arguments: Any,
        directory: Path,
    ) -> None:
        # The second one, for an exported graph only, has one thread for each operation.
        self.ours, *self.one_thread = servers
        self.edges = edges
        self.peers = peers
        self.arguments = arguments
        self.directory = directory

    def forced_cells(self) -> list[Cell]:
        """{tiny, base} x {V} x {1, 64 sentences} x {greedy, beam 4}."""
        quick = self.arguments.quick
        cells = []
        for size in ("tiny",) if quick else ("tiny", "base"):
            for vocabulary_size in (8_000,) if quick else (8_000, 32_000):
                wanted = [
                    (name, sentences, beams)
                    for sentences in (1, 64)
                    for beams in (1, 4)
                    if self.arguments.cells
                    in (name := cell_name(size, vocabulary_size, sentences, beams))
                ]
                if not wanted:
                    continue
                directory = self.directory / f"{size}-{vocabulary_size}"
                self.ours.ask(
                    "make_model",
                    preset=f"transformer_{size}",
                    vocabulary_size=vocabulary_size,
                    directory=str(directory),
                )
                for name, sentences, beams in wanted:
                    rng = np.random.default_rng(sentences)
                    ids = rng.integers(4, vocabulary_size, (sentences, LENGTH - 1))
                    sources = [[str(i) for i in row] for row in ids]
                    cells.append(
                        self._cell(
                            name,
                            directory,
                            directory / "translator",
                            sources,
                            [" ".join(row) for row in sources],
                            beams,
                            LENGTH,
                        )
                    )
        return cells

    def trained_cells(self) -> list[Cell]:
        """Real lines of mixed lengths with a trained model."""
        lines = Path(self.arguments.source).read_text(encoding="utf-8").splitlines()
        pieces = self.ours.ask(
            "convert", run=self.arguments.trained, directory=str(self.directory), texts=lines
        )
        return [
            self._cell(
                f"{len(lines):,} real lines, {_search(beams)}",
                self.directory,
                Path(self.arguments.trained),
                pieces,
                lines,
                beams,
                None,
            )
            for beams in (1, 4)
        ]

    def _cell(
        self,
        name: str,
        directory: Path,
        translator: Path,
        pieces: list[list[str]],
        texts: list[str],
        beams: int,
        forced: int | None,
    ) -> Cell:
        saved_model = str(directory / f"saved_model-{name}") if self.arguments.saved_model else None
        progress(f"{name}: preparing")
        version = self.ours.ask(
            "prepare",
            translator=str(translator),
            beams=beams,
            texts=texts,
            forced_tokens=forced,
            saved_model=saved_model,
        )
        for engine in self.one_thread:
            engine.ask("load_version", version=version, texts=texts, at_once=num_cores())
        ours = self._faster_of_ours()
        options = {"beam_size": beams, "return_scores": True}
        if forced:
            options |= {"min_decoding_length": forced, "max_decoding_length": forced}
        else:
            options |= {"length_penalty": 0.6}
        edges = {} if self.arguments.saved_model else self.edges
        for kind, engine in edges.items():
            self._prepare_edge(engine, directory / f"{kind}-{name}", kind.split("_")[1], texts)
        chosen = {
            peer: self._best_layout(peer, directory / "ctranslate2", pieces, options)
            for peer in self.peers
        }
        engines = {"keras_attn": ours, **edges}
        engines |= {peer: engine for peer, (engine, _) in chosen.items()}
        figures = take_turns(
            {key: _measurement(engine, forced) for key, engine in engines.items()},
            self.arguments.rounds,
        )
        cell = make_cell(name, figures)
        cell["layouts"] = {peer: layout for peer, (_, layout) in chosen.items()}
        for kind in COMPUTE_TYPES:
            cell |= best_of_ours(kind, figures)
        float32 = chosen["ctranslate2_float32"][0]
        cores = num_cores()
        cell["layouts"]["keras_attn"] = f"1 x {cores}" if ours is self.ours else f"{cores} x 1"
        cell["equal_tokens"] = _share_equal(ours, float32, forced is not None)
        progress(
            f"{name}: "
            + ", ".join(f"{k} {v:.2f}" for k, v in cell.items() if k.startswith("ratio"))
        )
        return cell

    def _faster_of_ours(self) -> Engine:
        """The engine with all threads, or the one with one thread for each operation."""
        return min((self.ours, *self.one_thread), key=_shortest)

    def _prepare_edge(self, engine: Engine, directory: Path, kind: str, texts: list[str]) -> None:
        quantize = None if kind == "float32" else kind
        self.ours.ask("export_for_litert", directory=str(directory), quantize=quantize)
        engine.ask("prepare", directory=str(directory), texts=texts)

    def _best_layout(
        self, peer: str, model: Path, pieces: list[list[str]], options: dict[str, Any]
    ) -> tuple[Engine, str]:
        """The faster of the peer's engines, left prepared with its faster layout."""
        seconds = {}

        def prepare(engine: int, layout: tuple[int, int]) -> Engine:
            self.peers[peer][engine].ask(
                "prepare",
                model=str(model),
                compute_type=peer.split("_")[1],
                workers=layout[0],
                threads=layout[1],
                sources=pieces,
                options=options,
            )
            self.peers[peer][engine].ask("run", repeat=1)
            return self.peers[peer][engine]

        for choice in itertools.product(range(len(self.peers[peer])), layouts()):
            engine = prepare(*choice)
            seconds[choice] = _shortest(engine)
        best = min(seconds, key=seconds.__getitem__)
        library, (workers, threads) = best
        return prepare(*best), f"{workers} x {threads}{', MKL' if library else ''}"


def best_of_ours(kind: str, figures: dict[str, list[float]]) -> Cell:
    """The faster of our engines in a precision, and its ratio to CTranslate2's, round by round."""
    ours = ["keras_attn", f"litert_{kind}"] if kind == "float32" else [f"litert_{kind}"]
    medians = {name: statistics.median(figures[name]) for name in ours if name in figures}
    if not medians:
        return {}
    best = max(medians, key=medians.__getitem__)
    pairs = zip(figures[best], figures[f"ctranslate2_{kind}"], strict=True)
    return {f"best_{kind}": best, f"ratio_best_{kind}": statistics.median(a / b for a, b in pairs)}


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


def layouts() -> list[tuple[int, int]]:
    """Workers and threads of each that use every core: one worker, one a core, and in between."""
    cores = num_cores()
    return [(n, cores // n) for n in range(1, cores + 1) if cores % n == 0]


def cell_name(size: str, vocabulary_size: int, sentences: int, beams: int) -> str:
    words = "1 sentence" if sentences == 1 else f"{sentences} sentences"
    return f"{size}, V {vocabulary_size:,}, {words}, {_search(beams)}"


def _search(beams: int) -> str:
    return "greedy" if beams == 1 else f"beam {beams}"


def _repeats(engine: Engine) -> int:
    seconds = engine.ask("run", repeat=1)["seconds"]
    return max(1, round(SHORTEST_MEASUREMENT_SECONDS / seconds))


def _shortest(engine: Engine) -> float:
    """Seconds of the fastest of three short measurements."""
    repeat = _repeats(engine)
    return min(engine.ask("run", repeat=repeat)["seconds"] for _ in range(3))


def _measurement(engine: Engine, forced: int | None) -> Any:
    """A function that measures target tokens per second, the end token counted."""
    repeat = _repeats(engine)

    def measure() -> float:
        result = engine.ask("run", repeat=repeat)
        # Forced sentences take so many steps, whatever the last of them chose.
        tokens = sum(forced or len(tokens) + 1 for tokens in result["tokens"])
        return tokens / result["seconds"]

    return measure


def _share_equal(ours: Engine, peer: Engine, is_forced: bool) -> float:
    """Share of the sentences with the same tokens, up to the forced end."""
    a, b = ours.ask("run", repeat=1)["tokens"], peer.ask("run", repeat=1)["tokens"]
    end = LENGTH - 1 if is_forced else None
    return float(np.mean([x[:end] == y[:end] for x, y in zip(a, b, strict=True)]))


if __name__ == "__main__":
    main()
