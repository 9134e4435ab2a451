"""Dense layers for inputs of any rank, as one product of two matrices."""

from typing import Any

import keras
from keras import ops

from keras_attn.ops.axes import leading_sizes

Tensor = Any


def dense_rows(dense: keras.layers.Dense, inputs: Tensor) -> Tensor:
    """Applies a dense layer to each position, as one product of two matrices.

    Keras multiplies an input of rank 3 in a roundabout way (`tensordot`).

    Args:
        dense: `keras.layers.Dense`.
        inputs: float, (B, T, D), or of any other rank of at least 2.

    Returns:
        float, (B, T, units).

    Example:
    >>> dense_rows(keras.layers.Dense(5), keras.ops.ones((2, 3, 4))).shape
    TensorShape([2, 3, 5])
    """
    rows = ops.reshape(inputs, (-1, inputs.shape[-1]))  # (B * T, D)
    return ops.reshape(dense(rows), (*leading_sizes(inputs), dense.units))
