"""Checks of the sizes that layers and stacks are given."""


def check_positive_integers(**sizes):
    """Raises ValueError, naming the first that is not, unless all are positive integers."""
    for name, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, int) or size <= 0:
            raise ValueError(f"`{name}` must be a positive integer. Received: {name}={size}.")


def check_sizes(hidden_dim, num_heads, **others):
    """Raises ValueError unless all sizes are positive and the heads share the width evenly."""
    check_positive_integers(hidden_dim=hidden_dim, num_heads=num_heads, **others)
    if hidden_dim % num_heads:
        raise ValueError(
            "`num_heads` must divide `hidden_dim`. "
            f"Received: num_heads={num_heads}, hidden_dim={hidden_dim}."
        )
