"""Initializers that several weights of a layer can share."""

from typing import Any

import keras


def clone_initializer(initializer: Any) -> Any:
    """A copy of an initializer, since one instance would draw the same numbers for every weight.

    Args:
        initializer: initializer, or any function of shape and dtype, which is given back as it is.

    Example:
    >>> first = keras.initializers.GlorotUniform()
    >>> clone_initializer(first) is first
    False
    """
    if isinstance(initializer, keras.initializers.Initializer):
        return initializer.clone()
    return initializer
