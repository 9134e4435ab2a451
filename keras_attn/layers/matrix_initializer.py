"""Initializers for kernels to and from heads."""

import math
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_attn")
class MatrixInitializer(keras.initializers.Initializer):
    """Draws a kernel with the variance of the matrix that it stands for.

    A kernel (D, H, K) to heads is the matrix (D, H * K), and its fans are D and H * K. Keras reads
    the shape as that of a convolution, with fans of H * D and K * D, and so draws the query, key
    and value kernels of the base model 6 times too small (a standard deviation of 0.007 instead of
    0.044): attention starts out uniform, and takes many updates to focus on anything.

    Args:
        initializer: initializer. Draws the matrix.
        num_contracted: int. How many leading axes of the kernel are rows of the matrix.
        gain: float. A factor on the matrix.

    Example:
    >>> initializer = MatrixInitializer(keras.initializers.GlorotUniform(seed=1), num_contracted=1)
    >>> bound = (6 / (512 + 8 * 64)) ** 0.5
    >>> bool(0.99 * bound < abs(initializer((512, 8, 64)).numpy()).max() <= bound)
    True

    References:
        - [Glorot and Bengio, 2010](https://proceedings.mlr.press/v9/glorot10a.html), Equation 16.
    """

    def __init__(self, initializer, num_contracted, gain=1.0):
        self.initializer = keras.initializers.get(initializer)
        self.num_contracted = num_contracted
        self.gain = gain

    def __call__(self, shape, dtype=None):
        rows = math.prod(shape[: self.num_contracted])
        matrix = self.initializer((rows, math.prod(shape) // rows), dtype=dtype)
        return ops.reshape(self.gain * matrix, shape)

    def get_config(self):
        initializer = keras.initializers.serialize(self.initializer)
        return {
            "initializer": initializer,
            "num_contracted": self.num_contracted,
            "gain": self.gain,
        }


def clone_initializer(initializer: Any) -> Any:
    """A copy of an initializer, since one instance would draw the same numbers for every weight.

    Args:
        initializer: initializer, or any function of shape and dtype, which is returned as it is.

    Example:
    >>> first = keras.initializers.GlorotUniform()
    >>> clone_initializer(first) is first
    False
    """
    if isinstance(initializer, keras.initializers.Initializer):
        return initializer.clone()
    return initializer
