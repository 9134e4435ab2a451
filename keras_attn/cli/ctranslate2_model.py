"""`keras-attn translate --engine ctranslate2`: exports the model once and keeps it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

from keras_attn.cli.model_location import (
    LineTranslator,
    find_source_language,
    find_translator,
)
from keras_attn.cli.output import make_console, say
from keras_attn.cli.process import load_tensorflow
from keras_attn.system.compilation_cache import cache_directory
from keras_attn.version import __version__


def open_ctranslate2(location: str, beams: int | None, quantize: str | None) -> LineTranslator:
    """Loads a translator for CTranslate2; the first call exports it to the cache.

    Where there is no cache, or it cannot be written, each call exports it again.

    Args:
        location: str. `RUN` on the command line: a run, a saved translator or a shipped model.
        beams: int or None. Hypotheses of the beam search; None: as the model was saved.
        quantize: str or None. `"int8"`; None: float32.

    Returns:
        `CTranslate2Translator`.

    Raises:
        ValueError: if there is no translator, or CTranslate2 does not support a part of the model.
    """
    from keras_attn.edge import CTranslate2Translator

    translator = find_translator(location)
    name = f"{_fingerprint(translator)}-{quantize or 'float32'}"
    cache = cache_directory()
    with contextlib.ExitStack() as stack:
        exported = None if cache is None else cache / "ctranslate2" / name
        if exported is None or not (exported.exists() or _can_write(exported.parent)):
            temporary = tempfile.TemporaryDirectory(prefix="keras-attn-ctranslate2-")
            exported = Path(stack.enter_context(temporary), name)
        if not exported.exists():
            say(make_console(stderr=True), f"exporting for CTranslate2: {exported}")
            try:
                _export(location, translator, exported, quantize)
            except (OSError, ValueError):
                if not exported.exists():  # else another process was faster
                    raise
        return CTranslate2Translator(exported, num_beams=beams)


def _can_write(directory: Path) -> bool:
    """Makes a directory; returns whether files can be made in it."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError:  # the home is read-only or missing
        return False
    return os.access(directory, os.W_OK)


def _fingerprint(directory: Path) -> str:
    """A name that changes with any file of a translator and with the version of this package."""
    digest = hashlib.sha256(__version__.encode())
    for path in sorted(directory.rglob("*")):
        # The LiteRT form beside a shipped model is not part of it.
        if path.is_file() and "litert" not in path.relative_to(directory).parts:
            digest.update(str(path.relative_to(directory)).encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _export(location: str, translator: Path, exported: Path, quantize: str | None) -> None:
    load_tensorflow()
    from keras_attn.interop import export_ctranslate2_engine
    from keras_attn.translator import Translator

    language = find_source_language(location)
    export_ctranslate2_engine(Translator.load(translator), exported, quantize, language)
