"""The list of a run's checkpoints: which there are, what they scored, which is the best."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

FORMAT_VERSION = 1
INDEX_NAME = "checkpoints.json"


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """One saved state of a training run.

    Args:
        step: int. Updates made when it was saved.
        path: Path. The weights file, optimizer state included.
        metrics: dict of str to float. What the validation gave.
    """

    step: int
    path: Path
    metrics: dict[str, float]


class CheckpointIndex:
    """Reads and writes `checkpoints.json` beside the weights files, and deletes what is not kept.

    Kept are the last `keep` checkpoints and the best. The new file is there before the index names
    it, and an old file goes only after the index has let go of it, so that a crash in between
    leaves a run that can be resumed.

    Args:
        directory: Path. The directory of the checkpoints; made when the first is added.
        keep: int. How many of the last to keep.
        monitor: str. The metric that names the best, as `val_perplexity`.
        higher_is_better: bool. Whether more of it is better.

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

    @property
    def best(self) -> Checkpoint | None:
        """The checkpoint with the best monitored metric (the later of equals), or None."""
        scored = [one for one in self.checkpoints if self.monitor in one.metrics]
        if not scored:
            return None
        sign = 1.0 if self.higher_is_better else -1.0
        return max(scored, key=lambda one: (sign * one.metrics[self.monitor], one.step))

    def path_of_step(self, step: int) -> Path:
        """The path of the weights file of a step."""
        return self.directory / f"step-{step:08d}.weights.h5"

    def add(self, step: int, metrics: dict[str, float]) -> Checkpoint:
        """Enters a checkpoint whose file is in place, and deletes those no longer kept.

        Args:
            step: int. Updates made.
            metrics: dict of str to float. What the validation gave; empty if there was none.

        Returns:
            The new entry.
        """
        entry = Checkpoint(step, self.path_of_step(step), dict(metrics))
        # What lies ahead of a step that is written again belongs to a course that was given up.
        earlier = [one for one in self.checkpoints if one.step < step]
        later = [one for one in self.checkpoints if one.step > step]
        self.checkpoints = [*earlier, entry]
        best = self.best
        last = self.checkpoints[-self.keep :]
        dropped = [one for one in earlier if one not in last and one != best] + later
        self.checkpoints = [one for one in self.checkpoints if one not in dropped]
        self._write()
        for one in dropped:
            one.path.unlink(missing_ok=True)
        return entry

    def _write(self) -> None:
        best = self.best
        contents = {
            "format_version": FORMAT_VERSION,
            "monitor": self.monitor,
            "best_step": best.step if best else None,
            "checkpoints": [
                {"step": one.step, "file": one.path.name, "metrics": one.metrics}
                for one in self.checkpoints
            ],
        }
        temporary = self.directory / f"{INDEX_NAME}.partial"
        temporary.write_text(json.dumps(contents, indent=2) + "\n", encoding="utf-8")
        os.replace(temporary, self.directory / INDEX_NAME)


def _read_index(path: Path) -> list[Checkpoint]:
    """The entries of an index file whose weights are there; empty without an index."""
    if not path.exists():
        return []
    try:
        contents: Any = json.loads(path.read_text(encoding="utf-8"))
        entries = [
            Checkpoint(int(entry["step"]), path.parent / entry["file"], dict(entry["metrics"]))
            for entry in contents["checkpoints"]
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"`{path}` must be the index of checkpoints that training wrote. "
            f"Received: a file that cannot be read as one ({error!r})"
        ) from error
    present = [entry for entry in entries if entry.path.exists()]
    return sorted(present, key=lambda entry: entry.step)
