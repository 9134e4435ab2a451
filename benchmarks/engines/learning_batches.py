"""Batches in a file: both engines of learning.py read the same ones, in the same order."""

from typing import Any

import numpy as np

START_TOKEN_ID, PAD_TOKEN_ID = 2, 0


def read_batches(path: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Source and target ids of every batch, int32 (B, S) and (B, T).

    Args:
        path: str. An .npz file with `source_0`, `target_0`, `source_1` ...
    """
    with np.load(path) as arrays:
        count = len(arrays.files) // 2
        return [(arrays[f"source_{i}"], arrays[f"target_{i}"]) for i in range(count)]


def decoder_inputs(labels: Any) -> Any:
    """Labels one position later, after the start token; padding stays padding."""
    shifted = np.roll(labels, 1, axis=-1)
    shifted[:, 0] = START_TOKEN_ID
    return np.where(labels == PAD_TOKEN_ID, PAD_TOKEN_ID, shifted)


def learning_rate(step: int, peak: float, warmup_steps: int) -> float:
    """The paper's shape (Equation 3) with a given peak; `step` counts from 1."""
    return peak * min(step / warmup_steps, (warmup_steps / step) ** 0.5)
