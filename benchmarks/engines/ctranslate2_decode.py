"""CTranslate2 translating tokens (runs in the peers' environment)."""

import time
from typing import Any

import ctranslate2
from serve_requests import serve_requests

_translator: Any = None
_batch_size = 0
_options: dict[str, Any] = {}
_sources: list[list[str]] = []


def versions() -> dict[str, str]:
    return {"ctranslate2": ctranslate2.__version__}


def prepare(
    model: str,
    compute_type: str,
    workers: int,
    threads: int,
    sources: list[list[str]],
    options: dict[str, Any],
    max_batch_size: int = 64,
) -> None:
    """Loads the model; many sentences are shared out evenly among the workers."""
    global _translator, _batch_size, _options, _sources
    _translator = ctranslate2.Translator(
        model, compute_type=compute_type, inter_threads=workers, intra_threads=threads
    )
    _sources, _options = sources, options
    _batch_size = min(max_batch_size, -(-len(sources) // workers))


def run(repeat: int) -> dict[str, Any]:
    """Seconds of one translation of all sentences, and the tokens produced."""
    started = time.perf_counter()
    for _ in range(repeat):
        results = _translator.translate_batch(_sources, max_batch_size=_batch_size, **_options)
    seconds = (time.perf_counter() - started) / repeat
    return {"seconds": seconds, "tokens": [result.hypotheses[0] for result in results]}


if __name__ == "__main__":
    serve_requests({"versions": versions, "prepare": prepare, "run": run})
