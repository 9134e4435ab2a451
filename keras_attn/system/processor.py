"""The processor: the cores that this process may use, and their features."""

import os
from pathlib import Path


def num_cores() -> int:
    """Number of cores that the scheduler grants, or of the machine if that is unknown.

    Returns:
        int, at least 1.
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def describe_core(cpuinfo: str = "/proc/cpuinfo") -> dict[str, str]:
    """What Linux reports about the first core.

    Args:
        cpuinfo: str. The file to read.

    Returns:
        dict of str to str, such as `model name` and `flags` (`Features` on ARM). It is empty on
            other systems.
    """
    try:
        first = Path(cpuinfo).read_text(encoding="utf-8").split("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}
