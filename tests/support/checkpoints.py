"""What is in a checkpoint file."""

from pathlib import Path

import h5py
import numpy as np


def arrays(path: Path) -> dict[str, np.ndarray]:
    """Every array of an HDF5 file, by its name."""
    found: dict[str, np.ndarray] = {}

    def keep(name: str, item) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = item[()]

    with h5py.File(path, "r") as file:
        file.visititems(keep)
    return found
