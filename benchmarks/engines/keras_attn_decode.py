"""keras_attn translating lines of text: the `Translator`, or an export of it in a Session."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from keras_attn.cli.process import load_tensorflow, prepare_environment

prepare_environment()
load_tensorflow()

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from number_tokenizer import NumberTokenizer  # noqa: E402
from serve_requests import serve_requests  # noqa: E402

import keras_attn  # noqa: E402
from keras_attn.data import WordTokenizer  # noqa: E402
from keras_attn.interop import export_ctranslate2, export_litert  # noqa: E402
from keras_attn.serving import export_saved_model  # noqa: E402
from keras_attn.serving.saved_model_session import SavedModelSession  # noqa: E402

_translator: Any = None
_session: Any = None
_texts: list[str] = []
_requests: list[Any] = []
_threads = ThreadPoolExecutor()


def versions() -> dict[str, str]:
    return {
        "keras_attn": keras_attn.__version__,
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
    }


def make_model(preset: str, vocabulary_size: int, directory: str) -> dict[str, int]:
    """Writes a model with random weights for every engine; returns its sizes."""
    keras.utils.set_random_seed(1)
    model = keras_attn.create_model(preset, source_vocabulary_size=vocabulary_size)
    translator = keras_attn.Translator(model, NumberTokenizer(vocabulary_size))
    translator.save(Path(directory) / "translator")
    export_ctranslate2(translator, Path(directory) / "ctranslate2")
    config = model.get_config()
    names = ("num_layers", "hidden_dim", "intermediate_dim", "num_heads")
    return {"vocabulary_size": vocabulary_size, **{name: config[name] for name in names}}


def convert(run: str, directory: str, texts: list[str]) -> list[list[str]]:
    """Writes a trained translator for CTranslate2; returns the pieces of the texts."""
    translator = keras_attn.Translator.load(run)
    export_ctranslate2(translator, Path(directory) / "ctranslate2")
    ids = translator.source_tokenizer.tokenize(texts).to_list()
    return [translator.source_tokenizer.pieces(row) for row in ids]


def prepare(
    translator: str,
    beams: int,
    texts: list[str],
    forced_tokens: int | None,
    saved_model: str | None,
) -> str | None:
    """Loads the translator, or exports it to the directory `saved_model` and loads that.

    Returns the directory of the version that it exported.
    """
    global _translator, _session, _texts
    _texts, _session = texts, None
    _translator = keras_attn.Translator.load(translator)
    options: dict[str, Any] = {"min_length": forced_tokens - 1} if forced_tokens else {}
    extra = 0 if forced_tokens else _translator.max_extra_tokens
    search = (
        keras_attn.decoding.GreedySearch(**options)
        if beams == 1
        else keras_attn.decoding.BeamSearch(beams, **options)
    )
    _translator = keras_attn.Translator(
        _translator.model,
        _translator.source_tokenizer,
        _translator.target_tokenizer,
        search,
        max_extra_tokens=extra,
        # A session with XLA off switches it off for the process, and so for the next cells.
        jit_compile=saved_model is None,
    )
    if saved_model:
        version = export_saved_model(_translator, saved_model, verification_texts=texts[:2])
        load_version(str(version), texts, at_once=1)
        return str(version)
    run(1)
    return None


def load_version(version: str, texts: list[str], at_once: int) -> None:
    """Loads an export, to which the lines are sent in `at_once` parallel requests."""
    global _session, _requests
    lines = np.array([text.encode() for text in texts], object)
    _requests = np.array_split(lines, min(at_once, len(lines)))
    _session = SavedModelSession(version, disable_xla=True)
    run(1)


def export_for_litert(directory: str, quantize: str | None) -> None:
    """Writes the prepared translator for LiteRT. Its tokenizers know the same numbers as words."""
    tokenizer = _translator.source_tokenizer
    if isinstance(tokenizer, NumberTokenizer):
        tokenizer = WordTokenizer([str(i) for i in range(4, tokenizer.vocabulary_size)])
    translator = keras_attn.Translator(
        _translator.model,
        tokenizer,
        decoding=_translator.decoding,
        max_extra_tokens=_translator.max_extra_tokens,
    )
    export_litert(translator, directory, quantize, texts=_texts[:1])


def run(repeat: int) -> dict[str, Any]:
    """Seconds of one translation of all lines, and the tokens produced."""
    started = time.perf_counter()
    for _ in range(repeat):
        if _session is None:
            translations = _translator.translate_detailed(_texts)
        else:
            answers = list(_threads.map(_ask_session, _requests))
    seconds = (time.perf_counter() - started) / repeat
    if _session is None:
        return {"seconds": seconds, "tokens": [list(t.tokens) for t in translations]}
    translations = [text for answer in answers for text in answer["translation"]]
    return {"seconds": seconds, "tokens": [text.decode().split() for text in translations]}


def _ask_session(lines: Any) -> Any:
    return _session.run("serving_default", {"text": lines})


if __name__ == "__main__":
    serve_requests(
        {
            name: globals()[name]
            for name in (
                "versions",
                "make_model",
                "convert",
                "prepare",
                "load_version",
                "export_for_litert",
                "run",
            )
        }
    )
