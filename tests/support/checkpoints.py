"""What is in the checkpoints of a run."""

import json
from pathlib import Path

import h5py
import numpy as np

from keras_attn.training.run.checkpoint_index import CheckpointIndex


def arrays(path: Path) -> dict[str, np.ndarray]:
    """Every array of an HDF5 file, by its name."""
    found: dict[str, np.ndarray] = {}

    def keep(name: str, item) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = item[()]

    with h5py.File(path, "r") as file:
        file.visititems(keep)
    return found


def assert_same_checkpoint(ours: Path, theirs: Path, step: int) -> None:
    """Weights, optimizer, averages and seeds, bit for bit."""
    name = f"checkpoints/step-{step:08d}.weights.h5"
    left, right = arrays(ours / name), arrays(theirs / name)
    assert len(left) > 10 and left.keys() == right.keys()
    for key in left:
        np.testing.assert_array_equal(left[key], right[key], err_msg=key)


def steps_in(run: Path) -> list[int]:
    """The steps of all checkpoints."""
    return [one.step for one in CheckpointIndex(run / "checkpoints").checkpoints]


def last_saved(run: Path) -> int:
    """The step of the last checkpoint, 0 without one."""
    index = run / "checkpoints" / "checkpoints.json"
    return json.loads(index.read_text())["checkpoints"][-1]["step"] if index.exists() else 0
