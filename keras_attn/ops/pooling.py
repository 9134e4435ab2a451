"""Pools a sequence of vectors into one vector."""

from typing import Any

from keras import ops

Tensor = Any


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """The mean of the real positions, in float32: `sum of mask_s x_s / sum of mask_s`.

    Args:
        values: float, (B, S, D).
        mask: bool, (B, S). True = real token.

    Returns:
        float32, (B, D). Zeros for a row without a real token.

    Example:
    >>> x = keras.ops.array([[[1.0], [3.0], [9.0]], [[5.0], [6.0], [7.0]]])
    >>> mask = keras.ops.array([[True, True, False], [False, False, False]])
    >>> masked_mean(x, mask).numpy().ravel().tolist()
    [2.0, 0.0]
    """
    # Not a product with the mask: values in padding may be infinite.
    values = ops.where(mask[..., None], ops.cast(values, "float32"), 0.0)
    count = ops.sum(ops.cast(mask, "float32"), axis=1, keepdims=True)  # (B, 1)
    return ops.sum(values, axis=1) / ops.maximum(count, 1.0)


def first_position(values: Tensor, mask: Tensor) -> Tensor:
    """The first vector, of a token that stands for the whole sequence, as in BERT.

    Args:
        values: float, (B, S, D).
        mask: bool, (B, S). Not used.

    Returns:
        float, (B, D).

    Example:
    >>> first_position(keras.ops.ones((2, 3, 4)), keras.ops.ones((2, 3), "bool")).shape
    TensorShape([2, 4])
    """
    return values[:, 0]
