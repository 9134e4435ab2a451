"""The list of a run's checkpoints, with their metrics and the best one."""

import contextlib
import dataclasses
import json
import os
import re
from pathlib import Path
from typing import Any

from keras_attn.system.whole_file import remove_partial_files, whole_file
from keras_attn.training.run.checkpoint_file import checksum

FORMAT_VERSION = 1
INDEX_NAME = "checkpoints.json"
_WEIGHTS_NAME = re.compile(r"step-(\d+)\.weights\.h5")


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """One saved state of a training run.

    Args:
        step: int. Updates made when it was saved.
        path: Path. The weights file, optimizer state included.
        metrics: dict of str to float. The validation metrics; empty if it was saved between two
            validations.
        crc32: int or None. The checksum of the file; None: not known.
    """

    step: int
    path: Path
    metrics: dict[str, float]
    crc32: int | None = None

    def is_whole(self) -> bool:
        """Whether the file is unchanged since it was written."""
        try:
            return self.crc32 is None or checksum(self.path) == self.crc32
        except OSError:
            return False


class CheckpointIndex:
    """Reads and writes `checkpoints.json` beside the weights files, and deletes old checkpoints.

    It keeps the last `keep` checkpoints that were validated, and the best. A checkpoint that was
    saved between two validations is kept until the next checkpoint. A new file is written before
    the index names it, and an old file is deleted after the index no longer names it. So a crash in
    between leaves a run that can be resumed. If the index is lost or damaged, the list is made from
    the files, without metrics.

    Args:
        directory: Path. The directory of the checkpoints; made when the first is added.
        keep: int. The number of last checkpoints to keep.
        monitor: str. The metric that selects the best, such as `val_perplexity`.
        higher_is_better: bool. Whether higher values are better.

    Example:

    >>> CheckpointIndex(Path("nowhere")).checkpoints
    []
    """

    def __init__(
        self,
        directory: str | os.PathLike,
        keep: int = 5,
        monitor: str = "val_perplexity",
        higher_is_better: bool = False,
    ) -> None:
        self.directory = Path(directory)
        self.keep = keep
        self.monitor = monitor
        self.higher_is_better = higher_is_better
        self.checkpoints: list[Checkpoint] = _read_index(self.directory / INDEX_NAME)

    @property
    def latest(self) -> Checkpoint | None:
        """The checkpoint of the highest step, or None."""
        return self.checkpoints[-1] if self.checkpoints else None

    @classmethod
    def stored(cls, directory: str | os.PathLike) -> "CheckpointIndex":
        """The index of a directory, with the metric that it was written with.

        Args:
            directory: path. The directory of the checkpoints.

        Returns:
            CheckpointIndex, to read from.
        """
        try:
            contents = json.loads((Path(directory) / INDEX_NAME).read_text(encoding="utf-8"))
            monitor, higher = contents["monitor"], contents.get("higher_is_better", False)
        except (OSError, ValueError, KeyError, TypeError):
            return cls(directory)
        return cls(directory, monitor=monitor, higher_is_better=higher)

    @property
    def best(self) -> Checkpoint | None:
        """The checkpoint with the best monitored metric (the later of equals), or None."""
        ranked = self.ranked()
        return ranked[0] if ranked else None

    def ranked(self) -> list[Checkpoint]:
        """The checkpoints with the monitored metric, best first; of equals, the later first."""
        scored = [one for one in self.checkpoints if self.monitor in one.metrics]
        sign = -1.0 if self.higher_is_better else 1.0
        return sorted(scored, key=lambda one: (sign * one.metrics[self.monitor], -one.step))

    def path_of_step(self, step: int) -> Path:
        """The path of the weights file of a step."""
        return self.directory / f"step-{step:08d}.weights.h5"

    def expect(self, step: int, metrics: dict[str, float]) -> None:
        """Prepares for the file of a listed step to be replaced, with a checksum not yet known.

        The same updates make the same weights. So if the process ends before `add`, the entry is
        right for the old file and for the new one.

        Args:
            step: int. Updates made.
            metrics: dict of str to float. The validation metrics; empty if there was none.
        """
        if any(one.step == step for one in self.checkpoints):
            self.checkpoints = [
                dataclasses.replace(one, metrics=dict(metrics), crc32=None)
                if one.step == step
                else one
                for one in self.checkpoints
            ]
            self._write()

    def add(self, step: int, metrics: dict[str, float], crc32: int | None = None) -> Checkpoint:
        """Adds a checkpoint whose file exists, and deletes those that are no longer kept.

        Args:
            step: int. Updates made.
            metrics: dict of str to float. The validation metrics; empty if there was none.
            crc32: int or None. The checksum of the file, if it is known.

        Returns:
            The new entry.
        """
        path = self.path_of_step(step)
        entry = Checkpoint(step, path, dict(metrics), checksum(path) if crc32 is None else crc32)
        # Checkpoints after this step belong to a continuation of the run that was abandoned.
        before = self.checkpoints
        # Without a checksum, an entry was made from a file: its metrics are not known.
        validated = [
            one for one in before if one.step < step and (one.metrics or one.crc32 is None)
        ]
        self.checkpoints = [*validated, entry]
        best = self.best
        last = (validated + [entry] * bool(metrics))[-self.keep :]
        self.checkpoints = [one for one in self.checkpoints if one in (*last, best, entry)]
        self._write()
        kept = {one.path for one in self.checkpoints}
        for one in before:
            if one.path not in kept:
                one.path.unlink(missing_ok=True)
        return entry

    def forget_metrics(self, write: bool = True) -> None:
        """Forgets the metrics of all checkpoints, because new ones cannot be compared with them.

        The files stay until the next checkpoint is added.

        Args:
            write: bool. Whether to change anything on disk.
        """
        self.checkpoints = [dataclasses.replace(one, metrics={}) for one in self.checkpoints]
        if write:
            self._write()

    def set_aside(self, damaged: Checkpoint, rename: bool = True) -> None:
        """Takes a checkpoint out of the list; its file is kept, as `damaged.step-...`.

        Args:
            damaged: Checkpoint. One of `checkpoints`.
            rename: bool. Whether to change anything on disk.
        """
        self.checkpoints = [one for one in self.checkpoints if one != damaged]
        if rename:
            with contextlib.suppress(FileNotFoundError):
                os.replace(damaged.path, damaged.path.with_name(f"damaged.{damaged.path.name}"))
            self._write()

    def tidy(self) -> None:
        """Deletes the files that a killed run left: partial files, and files not in the list."""
        remove_partial_files(self.directory)
        listed = {one.path for one in self.checkpoints}
        for path in self.directory.glob("*.weights.h5"):
            if _WEIGHTS_NAME.fullmatch(path.name) and path not in listed:
                path.unlink(missing_ok=True)

    def _write(self) -> None:
        best = self.best
        contents = {
            "format_version": FORMAT_VERSION,
            "monitor": self.monitor,
            "higher_is_better": self.higher_is_better,
            "best_step": best.step if best else None,
            "checkpoints": [
                {
                    "step": one.step,
                    "file": one.path.name,
                    "metrics": one.metrics,
                    "crc32": one.crc32,
                }
                for one in self.checkpoints
            ],
        }
        with whole_file(self.directory / INDEX_NAME) as temporary:
            temporary.write_text(json.dumps(contents, indent=2) + "\n", encoding="utf-8")


def _read_index(path: Path) -> list[Checkpoint]:
    """The entries of an index whose weights files exist; without an index, one per file."""
    try:
        contents: Any = json.loads(path.read_text(encoding="utf-8"))
        entries = [
            Checkpoint(
                int(entry["step"]),
                path.parent / entry["file"],
                dict(entry["metrics"]),
                entry.get("crc32"),
            )
            for entry in contents["checkpoints"]
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        entries = _entries_of_files(path.parent)
    present = [entry for entry in entries if entry.path.exists()]
    return sorted(present, key=lambda entry: entry.step)


def _entries_of_files(directory: Path) -> list[Checkpoint]:
    names = (_WEIGHTS_NAME.fullmatch(path.name) for path in directory.glob("*.weights.h5"))
    return [Checkpoint(int(name[1]), directory / name[0], {}) for name in names if name]
