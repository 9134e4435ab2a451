"""Rotary positions (Su et al., 2021, RoFormer) and their extension to longer sequences."""

import math
from typing import Any

import numpy as np
from keras import ops

Tensor = Any


def rotary_frequencies(key_dim: int, max_wavelength: float = 10_000.0) -> np.ndarray:
    """Angle by which each pair of components turns from one position to the next.

        theta_i = max_wavelength^(-2i / K),    i = 0 ... K / 2 - 1

    Args:
        key_dim: int. Size of a head, K, an even number.
        max_wavelength: float. Longest wavelength divided by 2 pi.

    Returns:
        float64 array, (K / 2,), in radians.

    Example:
    >>> rotary_frequencies(4).tolist()
    [1.0, 0.01]
    """
    return max_wavelength ** (-2.0 * np.arange(key_dim // 2) / key_dim)


def yarn_frequencies(
    frequencies: np.ndarray,
    factor: float,
    original_length: int,
    fast_turns: float = 32.0,
    slow_turns: float = 1.0,
) -> np.ndarray:
    """Slows down the pairs that turn slowly, and leaves the fast ones as they are (YaRN).

    A pair that makes fewer than `slow_turns` turns over the length it was trained on would meet
    angles that it has never seen, so it is slowed down by `factor`. A pair with more than
    `fast_turns` tells neighbors apart, so it stays as it is. Between the two, the slowdown falls
    linearly.

        r_i      = original_length theta_i / (2 pi)
        gamma_i  = clip((r_i - slow_turns) / (fast_turns - slow_turns), 0, 1)
        theta_i' = (1 - gamma_i) theta_i / factor + gamma_i theta_i

    Args:
        frequencies: float, (K / 2,), from `rotary_frequencies`.
        factor: float. How many times as long the sequences become.
        original_length: int. Longest training sequence, in tokens.
        fast_turns, slow_turns: float. `beta` and `alpha` of the paper.

    Returns:
        float64 array, (K / 2,).

    Example:
    >>> yarn_frequencies(rotary_frequencies(4), factor=2.0, original_length=512).tolist()
    [1.0, 0.005]

    References:
        - [Peng et al., 2023](https://arxiv.org/abs/2309.00071), Section 3.2.
    """
    turns = original_length * frequencies / (2.0 * math.pi)
    share = np.clip((turns - slow_turns) / (fast_turns - slow_turns), 0.0, 1.0)
    return (1.0 - share) * frequencies / factor + share * frequencies


def rotate_pairs(heads: Tensor, angles: Tensor, scale: float = 1.0, halves: bool = False) -> Tensor:
    """Turns each pair of components (a, b) to (a cos - b sin, a sin + b cos).

    Args:
        heads: float, (..., T, K).
        angles: float32, broadcastable to (..., T, K / 2). In radians.
        scale: float. Factor on the result.
        halves: bool. Pairs are components i and i + K / 2, instead of 2i and 2i + 1.

    Returns:
        float, of the shape and dtype of `heads`. Computed in float32.

    Example:
    >>> turned = rotate_pairs(keras.ops.array([[1.0, 0.0]]), keras.ops.array([[1.5707963]]))
    >>> turned.numpy()[0, 1]
    np.float32(1.0)
    """
    cosines, sines = scale * ops.cos(angles), scale * ops.sin(angles)
    components = ops.cast(heads, "float32")
    size = heads.shape[-1]
    if halves:
        first, second = components[..., : size // 2], components[..., size // 2 :]
    else:
        first, second = components[..., 0::2], components[..., 1::2]
    turned = (first * cosines - second * sines, first * sines + second * cosines)
    if halves:
        return ops.cast(ops.concatenate(turned, axis=-1), heads.dtype)
    pairs = ops.stack(turned, axis=-1)  # (..., T, K / 2, 2)
    return ops.cast(ops.reshape(pairs, ops.shape(heads)), heads.dtype)
