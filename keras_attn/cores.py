"""The cores that this process may use."""

import os


def num_cores() -> int:
    """Number of cores: those that the scheduler grants where that is known, else the machine's.

    Returns:
        int, at least 1.
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
