"""Sinusoidal position encoding (Vaswani et al., 2017, Section 3.5)."""

from typing import Any

import numpy as np
from keras import ops

Tensor = Any


def sinusoidal_encoding(
    length: Tensor,
    hidden_dim: int,
    start_index: Tensor = 0,
    max_wavelength: float = 10_000.0,
    halves: bool = False,
) -> Tensor:
    """Encodes positions `start_index`, `start_index + 1`, ... as sines and cosines.

        PE(pos, 2i)     = sin(pos / max_wavelength^(2i / D))
        PE(pos, 2i + 1) = cos(pos / max_wavelength^(2i / D))

    For Python integers, the encoding is computed once in float64 and rounded; for tensors, in
    float32 (the error grows with the position: about 1e-5 at position 200).

    Args:
        length: int or int scalar tensor. Number of positions, T.
        hidden_dim: int. Width of the encoding, D.
        start_index: int or int scalar tensor. The first position. Defaults to `0`.
        max_wavelength: float. Longest wavelength divided by 2 pi. Defaults to the paper's 10,000.
        halves: bool. All sines, then all cosines, instead of alternating. The numbers are the
            same. Defaults to `False`, as in the paper.

    Returns:
        float32, (T, D).

    Example:
    >>> sinusoidal_encoding(2, 4).numpy().round(4).tolist()
    [[0.0, 1.0, 0.0, 1.0], [0.8414999842643738, 0.5403000116348267, 0.009999999776482582, 1.0]]

    References:
        - [Vaswani et al., 2017](https://arxiv.org/abs/1706.03762), Section 3.5.
    """
    frequencies, is_cosine = _components(hidden_dim, max_wavelength, halves)
    if isinstance(length, int) and isinstance(start_index, int):
        angles = np.arange(start_index, start_index + length)[:, None] * frequencies
        encoding = np.where(is_cosine, np.cos(angles), np.sin(angles))
        return ops.convert_to_tensor(encoding.astype("float32"))
    positions = ops.arange(length, dtype="int32") + ops.cast(start_index, "int32")
    frequencies = ops.convert_to_tensor(frequencies.astype("float32"))
    angles = ops.cast(positions, "float32")[:, None] * frequencies  # (T, D)
    return ops.where(is_cosine, ops.cos(angles), ops.sin(angles))


def _components(
    hidden_dim: int, max_wavelength: float, halves: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The frequency of each component, float64 (D,), and whether it is a cosine, bool (D,)."""
    components = np.arange(hidden_dim)
    if halves:
        num_sines = (hidden_dim + 1) // 2
        pairs, is_cosine = components % num_sines, components >= num_sines
    else:
        pairs, is_cosine = components // 2, components % 2 == 1
    return max_wavelength ** (-2.0 * pairs / hidden_dim), is_cosine
