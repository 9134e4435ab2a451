"""The directory of a training run: its paths, and whether training may write to it."""

import json
import os
import platform
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from keras_attn.system.whole_file import remove_partial_files, whole_file
from keras_attn.training.run.checkpoint_index import CheckpointIndex
from keras_attn.version import __version__

FORMAT_VERSION = 1


class RunDirectory:
    """The paths of the files of a run; refuses to overwrite a directory that is not a run.

    Args:
        path: path. The directory; `write_information` creates it.

    Example:

    >>> RunDirectory("runs/first").translator.name
    'translator'
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path)
        self.recipe = self.path / "recipe.toml"
        self.information = self.path / "run.json"
        self.tokenizer = self.path / "tokenizer"
        self.checkpoints = self.path / "checkpoints"
        self.translator = self.path / "translator"
        self.history = self.path / "history.jsonl"
        self.samples = self.path / "samples.jsonl"
        self.report = self.path / "report.json"
        self.tensorboard = self.path / "tensorboard"

    @property
    def is_run(self) -> bool:
        """Whether training wrote this directory."""
        return self.information.is_file()

    def last_step(self) -> int:
        """The step of the last checkpoint, 0 without one."""
        latest = CheckpointIndex(self.checkpoints).latest
        return latest.step if latest else 0

    @property
    def validation_changed_at(self) -> int:
        """The step from which the validation pairs are other pairs than before; 0: always the same.

        Scores of earlier steps cannot be compared with later ones.
        """
        return int(self.read_information().get("validation_changed_at", 0))

    def tidy(self) -> None:
        """Deletes the partial files that a killed run left."""
        remove_partial_files(self.path)
        CheckpointIndex(self.checkpoints).tidy()

    def check_may_train(self, resume: bool) -> None:
        """Refuses a directory whose contents training would overwrite.

        A run with neither a checkpoint nor a translator may start again: nothing would be lost.

        Args:
            resume: bool. Whether to continue an earlier run.

        Raises:
            ValueError: if the directory is a file, holds something other than a run, holds a run
                with results and `resume` is False, or a translator and no checkpoint.
        """
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(
                f"`output` must be a directory. Received: {str(self.path)!r}, which is a file."
            )
        if not self.path.exists() or not any(self.path.iterdir()):
            return
        if not self.is_run:
            raise ValueError(
                "`output` must be new, empty or a run. Received: "
                f"{str(self.path)!r}, which holds something else. Choose another directory."
            )
        information = self.read_information()
        if self.translator.exists() and not self.last_step():
            raise ValueError(
                "`output` must have a checkpoint to continue from. Received: "
                f"{str(self.path)!r}, a run with a translator and without checkpoints: there is "
                "nothing to continue from. Choose another directory."
            )
        if not resume and self.last_step():
            state = "a finished run" if information["status"] == "finished" else "a run"
            raise ValueError(
                f"`output` must not hold {state}. Received: {str(self.path)!r}, at step "
                f"{self.last_step()}. Continue it with `--resume`, or choose another directory."
            )

    def read_information(self) -> dict[str, Any]:
        """Reads `run.json`.

        Returns:
            Its contents.

        Raises:
            ValueError: if it is missing, damaged, or of another format version.
        """
        try:
            information = json.loads(self.information.read_text(encoding="utf-8"))
            version = information["format_version"]
            information["status"]
        except FileNotFoundError:
            raise ValueError(
                "`run` must be a directory that training wrote. "
                f"Received: {str(self.path)!r}, which has no run.json."
            ) from None
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"`{self.information}` must be a file that training wrote. Received: a damaged "
                f"file ({error!r})."
            ) from error
        if version != FORMAT_VERSION:
            raise ValueError(
                f"`{self.information}` must have format version {FORMAT_VERSION}. Received: "
                f"{version}, written by keras_attn {information.get('versions', {})}."
            )
        return information

    def write_information(self, status: str, **values: Any) -> None:
        """Writes `run.json`; entries that are not given stay as they were.

        Args:
            status: str. `running`, `unfinished` (training has ended, the translator is not yet
                saved and scored), `finished`, `interrupted` or `failed`.
            **values: further entries.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        information = self.read_information() if self.is_run else {}
        information.update(
            format_version=FORMAT_VERSION,
            status=status,
            versions={
                "keras_attn": __version__,
                "tensorflow": tf.__version__,
                "keras": keras.__version__,
                "python": platform.python_version(),
            },
            **values,
        )
        write_json(self.information, information)


def write_json(path: Path, contents: Any) -> None:
    """Writes a JSON file, which is replaced atomically.

    Args:
        path: Path. The file.
        contents: any JSON value.
    """
    text = json.dumps(contents, indent=2, ensure_ascii=False) + "\n"
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
