"""Checks of the rates, heads and shapes that layers and stacks are given."""


def dropout_rate(name, value):
    """Checks a dropout rate, a number in [0, 1), and returns it.

    Args:
        name: str. The name of the argument.
        value: float. The value.

    Returns:
        float or int.

    Raises:
        ValueError: if it is not such a number.
    """
    if not isinstance(value, (int, float)) or not 0 <= value < 1:
        raise ValueError(
            f"The argument `{name}` must be a number in [0, 1). Received: {name}={value!r}."
        )
    return value


def check_heads(hidden_dim, num_heads):
    """Raises ValueError unless the heads share the width evenly."""
    if hidden_dim % num_heads:
        raise ValueError(
            "`num_heads` must divide `hidden_dim`. "
            f"Received: num_heads={num_heads}, hidden_dim={hidden_dim}."
        )


def are_compatible(left, right):
    """Whether two shapes may be the same; None stands for any size."""
    return len(left) == len(right) and all(
        None in (one, other) or one == other for one, other in zip(left, right, strict=True)
    )
