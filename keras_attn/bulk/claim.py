"""The claim of a run to the names of its output, which no other run may use meanwhile."""

from __future__ import annotations

from keras_attn.bulk.files import create_file, find_named

_CLAIM = "running"


def claim_names(prefix: str, directory: str) -> None:
    """Claims all names that begin with a prefix, until the run deletes its directory.

    The claim is a file in the run's directory. It is written before others are looked for, so of
    two runs that start at the same time, at least one finds the claim of the other. That holds on
    every file system that lists what has been written; locks do not exist on all of them.

    Args:
        prefix: str. The absolute beginning of all names.
        directory: str. The temporary directory of the run, from `run_directory`.

    Raises:
        ValueError: if another run has claimed the names, or a file has one of them.
    """
    with create_file(f"{directory}/{_CLAIM}"):
        pass
    found = find_named(_beginning(prefix), [f"????????.partial/{_CLAIM}"])
    others = sorted({path.removesuffix(f"/{_CLAIM}") for path in found} - {directory})
    if others:
        raise ValueError(
            f"`output_prefix` must not be in use by another run. Received: {prefix}, for which "
            f"{others[0]} exists. Wait for that run; if it was killed, delete that directory."
        )
    taken = find_named(prefix, ["-?????-of-?????", ".report.json"])
    if taken:
        more = f" (and {len(taken) - 1} more)" if taken[1:] else ""
        raise ValueError(
            f"`output_prefix` must be new. Received: {prefix}, but {min(taken)}{more} exists. "
            "Delete what is there, or choose another prefix."
        )


def run_directory(prefix: str, name: str) -> str:
    """The temporary directory of a run, beside its output: one rename gives a file its final name.

    Args:
        prefix: str. The absolute beginning of all names of the output.
        name: str. Eight characters that no other run has.

    Returns:
        str.

    Example:

    >>> run_directory("/out/test.de", "0c1d2e3f")
    '/out/.test.de-0c1d2e3f.partial'
    """
    return f"{_beginning(prefix)}{name}.partial"


def _beginning(prefix: str) -> str:
    parent, _, name = prefix.rpartition("/")
    return f"{parent}/.{name}-"
