"""A Transformer for LiteRT: translation without TensorFlow, on computers and phones."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from keras_attn.edge import EdgeTranslator
from keras_attn.edge.edge_model import DECODER_FILE, ENCODER_FILE
from keras_attn.interop.engine_files import (
    check_search,
    check_target,
    longest_target,
    write_engine_files,
)
from keras_attn.interop.litert_graphs import convert, decoder_graph, encoder_graph, litert_model
from keras_attn.lines import check_texts
from keras_attn.system.whole_directory import whole_directory
from keras_attn.translator import Translator

LITERT_QUANTIZATIONS = (None, "int8")
EXPECTED_FILE = "expected.json"
_EXAMPLE_TEXTS = (
    "Where is the station?",
    "I would like a cup of tea, please.",
    "",
    "Tom",
    "12 345",
)


class LiteRTMismatchError(RuntimeError):
    """The export translates differently from the translator, and was not written."""


def export_litert(
    translator: Translator,
    directory: str | os.PathLike[str],
    quantize: str | None = None,
    texts: Sequence[str] = _EXAMPLE_TEXTS,
    source_language: str | None = None,
) -> Path:
    """Writes a translator for LiteRT, whole or not at all: two graphs, tokenizers, settings.

    `EdgeTranslator` reads the directory. Its scores differ from the translator's by less than 1e-4
    in float32. The graphs come from the model's own `Encoder.call` and `Decoder.call` and from the
    strategy's own `step`; only attention is computed with other operations, which are fast in
    LiteRT.

    Args:
        translator: `Translator` of a `Transformer`, with `GreedySearch` or `BeamSearch`.
        directory: path. A directory that is new or empty.
        quantize: `"int8"` keeps the weights in a quarter of the space, and multiplies integers.
            None keeps float32.
        texts: sequence of str. Lines whose translations are written to `expected.json`, beside the
            graphs, for checking another program. In float32, the export itself must translate them
            as the translator does; a translator in half precision may differ in a few.
        source_language: str or None. The code of the language, for splitting paragraphs.

    Returns:
        Path of the directory.

    Raises:
        ValueError: if the model or the search has a part that cannot be written, or the directory
            is not empty.
        LiteRTMismatchError: a `RuntimeError`, if the export translates `texts` differently from the
            translator.
        ImportError: if LiteRT is not installed.

    Example:

    >>> export_litert("a translator", "models/en_de")
    Traceback (most recent call last):
    ValueError: `translator` must be a Translator. Received: str.

    References:
        - [LiteRT](https://ai.google.dev/edge/litert), formerly TensorFlow Lite.
    """
    directory = Path(directory)
    check_target(translator, directory)
    check_search(translator)
    if quantize not in LITERT_QUANTIZATIONS:
        raise ValueError(
            f"`quantize` must be one of {list(LITERT_QUANTIZATIONS)}. Received: {quantize!r}."
        )
    lines = check_texts("texts", texts)
    longest = longest_target(translator)
    model = litert_model(translator.model, longest)
    with whole_directory(directory) as temporary:
        (temporary / ENCODER_FILE).write_bytes(convert(encoder_graph(model), quantize))
        decoder = decoder_graph(model, translator.decoding, longest)
        (temporary / DECODER_FILE).write_bytes(convert(decoder, quantize))
        settings_file = EdgeTranslator.settings_file
        write_engine_files(translator, temporary, settings_file, quantize, source_language)
        # A model in half precision rounds: its float32 copy may translate a few lines otherwise.
        is_exact = quantize is None and translator.model.compute_dtype == "float32"
        _record(translator, temporary, lines, is_exact)
    return directory


def _record(translator: Translator, directory: Path, texts: list[str], is_exact: bool) -> None:
    """Translates with the export, and writes the translations to a file."""
    found = EdgeTranslator(directory, num_threads=1).translate_detailed(texts)
    if is_exact:
        wanted = translator.translate(texts)
        different = [
            f"{one.source!r}: {one.text!r}, not {text!r}"
            for one, text in zip(found, wanted, strict=True)
            if one.text != text
        ]
        if different:
            raise LiteRTMismatchError(
                "The export must translate as the translator does. Received: "
                f"{different[0]} ({len(different)} of {len(texts)} lines differ). Nothing was "
                "written. Export a SavedModel instead."
            )
    record = [{"source": one.source, "translation": one.text, "score": one.score} for one in found]
    text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    (directory / EXPECTED_FILE).write_text(text, encoding="utf-8")
