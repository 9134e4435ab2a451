"""Beam's own options: which engine runs a pipeline, and how."""

from __future__ import annotations

from collections.abc import Sequence

from keras_attn.bulk.beam_engine import PipelineOptions, StandardOptions
from keras_attn.system.did_you_mean import did_you_mean


def read_options(options: Sequence[str] | PipelineOptions) -> PipelineOptions:
    """Reads the options of Beam.

    Beam ignores an unknown option, because a remote engine may know it. If the pipeline runs on
    this machine, an unknown option is refused: otherwise a typo in `--runner` would leave all the
    work to this machine.

    Args:
        options: sequence of str, such as `["--runner=FlinkRunner", "--parallelism=4"]`; or Beam's
            `PipelineOptions`, which are returned as they are.

    Returns:
        `PipelineOptions`.

    Raises:
        ValueError: if an option is unknown or has an invalid value.

    Example:

    >>> read_options(["--runer=FlinkRunner"])
    Traceback (most recent call last):
    ...
    ValueError: `options` must be options of Apache Beam. ... Did you mean '--runner'?
    """
    if isinstance(options, PipelineOptions):
        return options
    if isinstance(options, str) or not all(isinstance(option, str) for option in options):
        raise ValueError(
            f"`options` must be a sequence of str, such as ['--runner=X']. Received: {options!r}."
        )
    if options and not options[0].startswith("--"):
        raise ValueError(f"`options` must begin with two dashes. Received: {options[0]!r}.")
    try:
        # Always a list: without one, Beam reads the command line of this process.
        parsed = PipelineOptions(list(options))
        given = parsed.get_all_options(retain_unknown_options=True)
    except SystemExit as stop:  # argparse has printed what is wrong
        raise ValueError(
            f"`options` must be options of Apache Beam. Received: {' '.join(options)}."
        ) from stop
    if (given["runner"] or StandardOptions.DEFAULT_RUNNER) in StandardOptions.LOCAL_RUNNERS:
        known = PipelineOptions([]).get_all_options()
        for name in sorted(set(given) - set(known)):
            hint = did_you_mean(f"--{name}", [f"--{one}" for one in known])
            raise ValueError(f"`options` must be options of Apache Beam. Received: --{name}.{hint}")
    return parsed
