"""Whether the numbers of a tensor can be looked at."""

from typing import Any

Tensor = Any


def has_values(tensor: Tensor) -> bool:
    """Whether a tensor has numbers: in eager mode, but not in a graph or a symbolic call.

    Args:
        tensor: tensor of any backend. Under JAX, the answer is always no.

    Example:
    >>> has_values(keras.ops.ones((2, 3))), has_values(keras.Input((3,)))
    (True, False)
    """
    # In a symbolic call, PyTorch's tensors are on a device that has no numbers.
    return hasattr(tensor, "numpy") and not is_made_up(tensor)


def is_made_up(tensor: Tensor) -> bool:
    """Whether a tensor stands for a symbolic one, so that its size may be made up, as in PyTorch.

    Example:
    >>> is_made_up(keras.ops.ones((2, 3)))
    False
    """
    return str(getattr(tensor, "device", None)) == "meta"
