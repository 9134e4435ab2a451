"""A complete translator for CTranslate2: model, tokenizers and settings."""

from __future__ import annotations

import os
from pathlib import Path

from keras_attn.edge.ctranslate2_translator import MODEL_DIRECTORY, CTranslate2Translator
from keras_attn.interop.ctranslate2 import export_ctranslate2
from keras_attn.interop.engine_files import (
    check_search,
    check_target,
    write_engine_files,
)
from keras_attn.system.whole_directory import whole_directory
from keras_attn.translator import Translator


def export_ctranslate2_engine(
    translator: Translator,
    directory: str | os.PathLike[str],
    quantize: str | None = None,
    source_language: str | None = None,
) -> Path:
    """Writes what `CTranslate2Translator` reads, whole or not at all.

    Args:
        translator: `Translator` of a `Transformer`, with `GreedySearch` or `BeamSearch`.
        directory: path. A directory that is new or empty.
        quantize: `"int8"` or another quantization of `export_ctranslate2`. None keeps float32.
        source_language: str or None. The code of the language, for splitting paragraphs.

    Returns:
        Path of the directory.

    Raises:
        ValueError: if the model or the search has a part that CTranslate2 does not know, or the
            directory is not empty.
        ImportError: if CTranslate2 is not installed.

    Example:

    >>> export_ctranslate2_engine("a translator", "models/en_de")
    Traceback (most recent call last):
    ValueError: `translator` must be a Translator. Received: str.
    """
    directory = Path(directory)
    check_target(translator, directory)
    check_search(translator)
    with whole_directory(directory) as temporary:
        export_ctranslate2(translator, temporary / MODEL_DIRECTORY, quantize)
        settings_file = CTranslate2Translator.settings_file
        write_engine_files(translator, temporary, settings_file, quantize, source_language)
    return directory
