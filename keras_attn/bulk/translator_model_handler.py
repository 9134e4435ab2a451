"""A translator as Apache Beam's `RunInference` takes models."""

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
# One search uses all cores. A second one beside it would only use memory.
_ONE_AT_A_TIME = threading.Lock()


class TranslatorModelHandler(ModelHandler):
    """Loads a translator once a worker process, and translates batches of lines with it.

    For `lines | RunInference(TranslatorModelHandler(directory))`: `str` in, `Translation` out. With
    keys, `(key, str)` in and `(key, Translation)` out, put it into Beam's `KeyedModelHandler`.

    A batch is as many lines as the bundle has, at most `batch_lines`: so many that the translator
    finds lines of like length among them, which it puts together itself.

    A translator that compiles "for many lines" always compiles here: how an engine cuts lines into
    bundles shall not decide which program translates them.

    Args:
        translator: path. The directory of a saved translator, or a ZIP archive of what is in it,
            which may be on any file system of Beam's (`gs://...`).
        num_beams: int or None. Hypotheses of the beam search; None for the search as saved.
        batch_lines: int. Lines of a batch at most.
        share_across_processes: bool. One model for all worker processes of a machine, for a model
            too large to be loaded once a process.

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
        """Loads the translator; `RunInference` does it once a process.

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
            model: `Translator`. What `load_model` returned.
            inference_args: None. There are none.

        Returns:
            list of `Translation`, in the order of `batch`.
        """
        with _ONE_AT_A_TIME:
            return model.translate_detailed(list(batch))

    def get_metrics_namespace(self) -> str:
        """The name that `RunInference` counts under.

        Returns:
            str.
        """
        return "keras_attn"


def write_archive(directory: str | os.PathLike[str], path: str) -> None:
    """Writes a saved translator as an archive that `TranslatorModelHandler` takes.

    Args:
        directory: path. The saved translator.
        path: str. The archive, on any file system of Beam's.
    """
    with tempfile.TemporaryDirectory() as temporary:
        archive = shutil.make_archive(str(Path(temporary, "translator")), "zip", directory)
        with open(archive, "rb") as source, create_file(path) as target:
            shutil.copyfileobj(source, target)


def _load_archive(path: str, num_beams: int | None) -> Translator:
    """Unpacks an archive, which may be far away, and loads the translator in it."""
    with tempfile.TemporaryDirectory() as directory:
        archive = Path(directory, "translator.zip")
        with open_file(path) as source, archive.open("wb") as target:
            shutil.copyfileobj(source, target)
        shutil.unpack_archive(archive, Path(directory, "translator"))
        return Translator.load(Path(directory, "translator"), num_beams)
