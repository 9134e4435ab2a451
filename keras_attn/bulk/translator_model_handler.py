"""A translator as a model for Apache Beam's `RunInference`."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_attn.bulk.beam_engine import ModelHandler
from keras_attn.bulk.files import absolute, create_file, is_local, open_file
from keras_attn.system.argument_checks import check_integer
from keras_attn.translator import Translation, Translator

BATCH_LINES = 2000
# One search uses all cores. A second one at the same time would only use more memory.
_ONE_AT_A_TIME = threading.Lock()


class TranslatorModelHandler(ModelHandler):
    """Loads a translator once per worker process, and translates batches of lines with it.

    Use it as `lines | RunInference(TranslatorModelHandler(directory))`: it takes `str` and returns
    `Translation`. For lines with keys, wrap it in Beam's `KeyedModelHandler`: that takes `(key,
    str)` and returns `(key, Translation)`.

    A batch has all lines of the bundle, but at most `batch_lines`. The default is enough for the
    translator to group lines of similar length.

    A translator with `jit_compile="auto"`, which compiles only for many lines, always compiles
    here. Otherwise the bundles of an engine would decide which program translates a line.

    Args:
        translator: path. The directory of a saved translator, or a ZIP archive of its contents,
            which may be on any file system that Beam supports (`gs://...`).
        num_beams: int or None. Hypotheses of the beam search; None for the search as saved.
        batch_lines: int. The largest number of lines in a batch.
        share_across_processes: bool. Whether all worker processes of a machine share one model, for
            a model that is too large to load once per process.

    Raises:
        ValueError: if an argument is out of range.

    Example:
    >>> handler = TranslatorModelHandler("runs/phrasebook/translator", num_beams=2)
    >>> handler.batch_elements_kwargs()["max_batch_size"]
    2000
    """

    def __init__(
        self,
        translator: str | os.PathLike[str],
        num_beams: int | None = None,
        batch_lines: int = BATCH_LINES,
        share_across_processes: bool = False,
    ) -> None:
        if num_beams is not None:
            check_integer("num_beams", num_beams)
        check_integer("batch_lines", batch_lines)
        super().__init__(
            min_batch_size=batch_lines,
            max_batch_size=batch_lines,
            large_model=share_across_processes,
        )
        self.translator = absolute(translator)
        self.num_beams = num_beams

    def load_model(self) -> Translator:
        """Loads the translator; `RunInference` calls this once per process.

        Returns:
            `Translator`.

        Raises:
            ValueError: if it is missing, incomplete or of another version.
        """
        if is_local(self.translator) and not self.translator.endswith(".zip"):
            translator = Translator.load(self.translator, self.num_beams)
        else:
            translator = _load_archive(self.translator, self.num_beams)
        if translator.jit_compile == "auto":
            translator.jit_compile = True
        return translator

    def run_inference(
        self,
        batch: Sequence[str],
        model: Translator,
        inference_args: dict[str, Any] | None = None,
    ) -> list[Translation]:
        """Translates lines.

        Args:
            batch: sequence of str.
            model: `Translator`. The result of `load_model`.
            inference_args: None. Not used.

        Returns:
            list of `Translation`, in the order of `batch`.
        """
        with _ONE_AT_A_TIME:
            return model.translate_detailed(list(batch))

    def get_metrics_namespace(self) -> str:
        """The namespace of the metrics of `RunInference`.

        Returns:
            str.
        """
        return "keras_attn"


def write_archive(directory: str | os.PathLike[str], path: str) -> None:
    """Writes a saved translator as an archive that `TranslatorModelHandler` takes.

    Args:
        directory: path. The saved translator.
        path: str. The archive, on any file system that Beam supports.
    """
    with tempfile.TemporaryDirectory() as temporary:
        archive = shutil.make_archive(str(Path(temporary, "translator")), "zip", directory)
        with open(archive, "rb") as source, create_file(path) as target:
            shutil.copyfileobj(source, target)


def _load_archive(path: str, num_beams: int | None) -> Translator:
    """Unpacks an archive, which may be remote, and loads the translator in it."""
    with tempfile.TemporaryDirectory() as directory:
        archive = Path(directory, "translator.zip")
        with open_file(path) as source, archive.open("wb") as target:
            shutil.copyfileobj(source, target)
        shutil.unpack_archive(archive, Path(directory, "translator"))
        return Translator.load(Path(directory, "translator"), num_beams)
