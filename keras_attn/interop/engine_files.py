"""The files that every export for an engine without TensorFlow has besides its model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from keras_attn.decoding import BeamSearch, GreedySearch
from keras_attn.edge.engine_translator import FORMAT_VERSION
from keras_attn.system.free_directory import is_free
from keras_attn.translator import Translator
from keras_attn.version import __version__


def check_target(translator: Any, directory: Path) -> None:
    """Raises ValueError unless there is a translator to export, and the directory is free.

    Args:
        translator: `Translator`.
        directory: Path. New or empty.

    Raises:
        ValueError: if it is not a translator, or the directory is not empty.
    """
    if not isinstance(translator, Translator):
        raise ValueError(
            f"`translator` must be a Translator. Received: {type(translator).__name__}."
        )
    if not is_free(directory):
        raise ValueError(
            f"`directory` must be new or empty. Received: {directory}, which is a file or holds "
            "something. Choose another directory."
        )


def check_search(translator: Translator) -> None:
    """Raises ValueError unless the engines know the translator's search.

    Args:
        translator: `Translator`.

    Raises:
        ValueError: if it is neither greedy nor beam search.
    """
    if type(translator.decoding) not in (GreedySearch, BeamSearch):
        raise ValueError(
            "`translator.decoding` must be a GreedySearch or a BeamSearch. Received: "
            f"{type(translator.decoding).__name__}. Choose one: translator.decoding = 'beam'."
        )


def write_engine_files(
    translator: Translator,
    directory: Path,
    settings_file: str,
    quantize: str | None,
    source_language: str | None,
) -> None:
    """Writes tokenizers, settings and confidence.

    Args:
        translator: `Translator`.
        directory: Path.
        settings_file: str. The name of the settings file.
        quantize: str or None. How the model is written.
        source_language: str or None.
    """
    search, graph = translator.decoding, translator.graph
    is_shared = translator.target_tokenizer is translator.source_tokenizer
    settings = {
        "format_version": FORMAT_VERSION,
        "keras_attn_version": __version__,
        "quantize": quantize,
        "num_beams": search.num_beams,
        "num_hypotheses": search.num_hypotheses,
        "min_length": search.min_length,
        "length_penalty": getattr(search, "length_penalty", 0.0),
        "max_source_tokens": graph.source_limit,
        "max_extra_tokens": translator.max_extra_tokens,
        "max_target_tokens": longest_target(translator),
        "batch_tokens": translator.batch_tokens,
        "shared_tokenizer": is_shared,
        "source_language": source_language,
    }
    text = json.dumps(settings, indent=2) + "\n"
    (directory / settings_file).write_text(text, encoding="utf-8")
    translator.source_tokenizer.save(directory / "source_tokenizer")
    if not is_shared:
        translator.target_tokenizer.save(directory / "target_tokenizer")
    if translator.confidence is not None:
        translator.confidence.save(directory)


def longest_target(translator: Translator) -> int:
    """The largest number of tokens of a translation, end token included."""
    graph = translator.graph
    return graph.limit_length(graph.source_limit + 1 + translator.max_extra_tokens)
