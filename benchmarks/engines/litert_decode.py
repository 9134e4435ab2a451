"""The LiteRT engine translating lines of text: `EdgeTranslator`, which imports no TensorFlow."""

import time
from typing import Any

from serve_requests import serve_requests

import keras_attn
from keras_attn.edge import EdgeTranslator

_translator: Any = None
_texts: list[str] = []


def versions() -> dict[str, str]:
    from importlib.metadata import version

    return {"keras_attn": keras_attn.__version__, "litert": version("ai-edge-litert")}


def prepare(directory: str, texts: list[str], threads: int | None = None) -> None:
    """Loads the model."""
    global _translator, _texts
    _translator, _texts = EdgeTranslator(directory, threads), texts
    run(1)


def run(repeat: int) -> dict[str, Any]:
    """Seconds of one translation of all lines, and the tokens produced."""
    started = time.perf_counter()
    for _ in range(repeat):
        translations = _translator.translate_detailed(_texts)
    seconds = (time.perf_counter() - started) / repeat
    return {"seconds": seconds, "tokens": [list(t.tokens) for t in translations]}


if __name__ == "__main__":
    serve_requests({"versions": versions, "prepare": prepare, "run": run})
