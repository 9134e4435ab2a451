"""The cells of `decode.py`: what is translated, by which engines, and how that is measured."""

from __future__ import annotations

import itertools
import statistics
from pathlib import Path
from typing import Any

import numpy as np
from side_by_side import Cell, Engine, make_cell, num_cores, progress, take_turns

LENGTH = 32
END_TOKEN_ID = 3  # what ends a source for the frameworks
COMPUTE_TYPES = ("float32", "int8")
SHORTEST_MEASUREMENT_SECONDS = 0.4


class DecodeBenchmark:
    """The cells of one call of this program."""

    def __init__(
        self,
        servers: list[Engine],
        edges: dict[str, Engine],
        peers: dict[str, list[Engine]],
        frameworks: dict[str, Engine],
        arguments: Any,
        directory: Path,
    ) -> None:
        # The second one, for an exported graph only, has one thread for each operation.
        self.ours, *self.one_thread = servers
        self.edges = edges
        self.peers = peers
        self.frameworks = frameworks
        self.sizes: dict[str, int] = {}  # of the model that is measured
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
                self.sizes = self.ours.ask(
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
        for engine in self.frameworks.values():
            self._prepare_framework(engine, pieces, beams)
        engines = {"keras_attn": ours, **edges, **self.frameworks}
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

    def _prepare_framework(self, engine: Engine, pieces: list[list[str]], beams: int) -> None:
        ids = [[*map(int, row), END_TOKEN_ID] for row in pieces]
        engine.ask("prepare", sizes=self.sizes, token_ids=ids, beams=beams, length=LENGTH)

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


def layouts() -> list[tuple[int, int]]:
    """Workers and threads of each that use every core, from one worker to one worker per core."""
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
        # Forced sentences take `forced` steps, whatever token the last one chose.
        tokens = sum(forced or len(tokens) + 1 for tokens in result["tokens"])
        return tokens / result["seconds"]

    return measure


def _share_equal(ours: Engine, peer: Engine, is_forced: bool) -> float:
    """Share of the sentences with the same tokens, up to the forced end."""
    a, b = ours.ask("run", repeat=1)["tokens"], peer.ask("run", repeat=1)["tokens"]
    end = LENGTH - 1 if is_forced else None
    return float(np.mean([x[:end] == y[:end] for x, y in zip(a, b, strict=True)]))
