"""The processor: which cores of it this process may use, and what they can do."""

import os
from pathlib import Path


def num_cores() -> int:
    """Number of cores: those that the scheduler grants where that is known, else the machine's.

    Returns:
        int, at least 1.
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def describe_core(cpuinfo: str = "/proc/cpuinfo") -> dict[str, str]:
    """What Linux says of the first core.

    Args:
        cpuinfo: str. The file in which it says so.

    Returns:
        dict of str to str. Such as `model name` and `flags` (`Features` on ARM); empty elsewhere.
    """
    try:
        first = Path(cpuinfo).read_text(encoding="utf-8").split("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}
