"""The directory of a saved translator: settings, model, tokenizers."""

import json
import os
import shutil
import zipfile
import zlib
from pathlib import Path
from typing import Any

import keras

from keras_attn.data import Tokenizer, load_tokenizer
from keras_attn.lines.confidence import CONFIDENCE_FILE, Confidence
from keras_attn.models import Seq2SeqModel
from keras_attn.system.whole_directory import whole_directory
from keras_attn.translator.compact_weights import (
    COMPACT_DTYPES,
    read_compact_model,
    write_compact_model,
)
from keras_attn.version import __version__

FORMAT_VERSION = 1
_MODEL_FILE, _COMPACT_FILE = "model.keras", "model.npz"
SETTINGS_FILE = "translator.json"
_TOKENIZERS = ("source_tokenizer", "target_tokenizer")
_OWN_FILES = {SETTINGS_FILE, _MODEL_FILE, _COMPACT_FILE, CONFIDENCE_FILE, *_TOKENIZERS}
SETTINGS = ("decoding", "max_source_tokens", "max_extra_tokens", "batch_tokens", "jit_compile")


def write_translator(
    directory: Path,
    model: Seq2SeqModel,
    source_tokenizer: Tokenizer,
    target_tokenizer: Tokenizer,
    settings: dict[str, Any],
    weights: str = "float32",
    confidence: Confidence | None = None,
) -> None:
    """Writes a translator under a temporary name, and renames it when it is complete.

    Other files in the directory stay, except a LiteRT export of the old translator.

    Args:
        directory: Path. Where to write.
        model: `Seq2SeqModel`.
        source_tokenizer, target_tokenizer: `Tokenizer`; one file if they are the same object.
        settings: JSON object. The other arguments of the `Translator`.
        weights: str. `"float32"`, or one of `COMPACT_DTYPES`.
        confidence: `Confidence` or None.

    Raises:
        ValueError: if the directory exists and is not a translator's.
    """
    if weights not in ("float32", *COMPACT_DTYPES):
        raise ValueError(
            f"`weights` must be one of float32, {', '.join(COMPACT_DTYPES)}. "
            f"Received: weights={weights!r}."
        )
    directory = directory.resolve()  # a link stays a link
    is_file = directory.exists() and not directory.is_dir()
    if is_file or (
        directory.exists() and not (directory / SETTINGS_FILE).exists() and any(directory.iterdir())
    ):
        raise ValueError(
            f"`directory` must be new, empty or a translator's. Received: {directory}, which holds "
            "something else. Choose another directory."
        )
    with whole_directory(directory, replace=True) as temporary:
        if weights == "float32":
            model.save(temporary / _MODEL_FILE)
        else:
            write_compact_model(model, temporary / _COMPACT_FILE, weights)
        source_tokenizer.save(temporary / "source_tokenizer")
        is_shared = target_tokenizer is source_tokenizer
        if not is_shared:
            target_tokenizer.save(temporary / "target_tokenizer")
        header = {
            "format_version": FORMAT_VERSION,
            "keras_attn_version": __version__,
            "shared_tokenizer": is_shared,
        }
        text = json.dumps({**header, **settings}, indent=2) + "\n"
        (temporary / SETTINGS_FILE).write_text(text, encoding="utf-8")
        if confidence is not None:
            confidence.save(temporary)
        _keep_other_files(directory, temporary)


def _keep_other_files(directory: Path, temporary: Path) -> None:
    """Puts what is not the translator's into the new directory, and leaves the old one as it is."""
    for entry in directory.iterdir() if directory.exists() else ():
        is_export = entry.name == "litert" and (entry / "litert.json").is_file()
        if entry.name in _OWN_FILES or is_export:
            continue
        if entry.is_dir() and not entry.is_symlink():
            target = temporary / entry.name
            shutil.copytree(entry, target, symlinks=True, copy_function=_link)
        else:
            _link(entry, temporary / entry.name)


def _link(source: str | Path, target: str | Path) -> None:
    """Makes a second name for a file, or a copy where a file system has no such links."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)


def read_translator(directory: Path) -> dict[str, Any]:
    """Reads the arguments that rebuild the `Translator`.

    Args:
        directory: Path. The directory that `write_translator` wrote.

    Returns:
        dict of the arguments of `Translator`.

    Raises:
        ValueError: if the directory is missing, incomplete or of another version.
    """
    settings_path = directory / SETTINGS_FILE
    if not settings_path.is_file():
        raise ValueError(
            f"`directory` must hold a saved translator. Received: {directory}, without "
            f"{SETTINGS_FILE}."
        )
    try:
        settings = json.loads(settings_path.read_text(encoding="utf-8"))
        version = settings.pop("format_version")
        written_by = settings.pop("keras_attn_version")
        is_shared = settings.pop("shared_tokenizer")
        if version == FORMAT_VERSION:
            settings = {name: settings[name] for name in SETTINGS}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{settings_path} is damaged: {error!r}. Save it again.") from error
    if version != FORMAT_VERSION:
        raise ValueError(
            f"{directory} has format version {version}, written by keras_attn {written_by}; "
            f"keras_attn {__version__} reads version {FORMAT_VERSION}. Use the version that "
            "wrote it."
        )
    source_tokenizer = load_tokenizer(directory / "source_tokenizer")
    target_tokenizer = source_tokenizer
    if not is_shared:
        target_tokenizer = load_tokenizer(directory / "target_tokenizer")
    confidence = Confidence.find(directory)
    return {
        "model": _read_model(directory),
        "source_tokenizer": source_tokenizer,
        "target_tokenizer": target_tokenizer,
        **({} if confidence is None else {"confidence": confidence}),
        **settings,
    }


def _read_model(directory: Path) -> Seq2SeqModel:
    path = directory / _MODEL_FILE
    if path.is_file():
        try:
            if not zipfile.is_zipfile(path):  # Keras would say that there is no such file
                raise zipfile.BadZipFile("it is not a zip file")
            return keras.saving.load_model(path, compile=False)
        except (EOFError, KeyError, OSError, zipfile.BadZipFile, zlib.error) as error:
            raise ValueError(f"{path} is damaged: {error}. Save it again.") from error
    if (directory / _COMPACT_FILE).is_file():
        return read_compact_model(directory / _COMPACT_FILE)
    raise ValueError(f"{directory} is incomplete: {_MODEL_FILE} is missing. Save it again.")
