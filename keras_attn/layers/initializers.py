"""Copies of initializers, for one weight each."""

from typing import Any

import keras


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


def with_gain(initializer: Any, gain: float) -> Any:
    """A copy of an initializer whose numbers are `gain` times as large.

    Args:
        initializer: initializer; a `VarianceScaling` unless `gain` is 1.
        gain: float.

    Example:
    >>> initializer = with_gain(keras.initializers.GlorotUniform(seed=1), 0.5)
    >>> bound = (6 / (40 + 60)) ** 0.5
    >>> bool(0.48 * bound < abs(initializer((40, 60)).numpy()).max() <= 0.5 * bound)
    True
    """
    if gain == 1.0:
        return clone_initializer(initializer)
    return keras.initializers.VarianceScaling(
        scale=gain**2 * initializer.scale,
        mode=initializer.mode,
        distribution=initializer.distribution,
        seed=initializer.get_config()["seed"],
        input_axes=initializer.input_axes,
        output_axes=initializer.output_axes,
    )
