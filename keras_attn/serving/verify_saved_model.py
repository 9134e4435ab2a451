"""Verifies that a SavedModel is complete, can be served, and translates as the translator did."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from keras_attn.serving.runtime_checks import NAME as RUNTIME_NAME
from keras_attn.serving.runtime_checks import check_runtime
from keras_attn.serving.static_checks import (
    check_files,
    check_name,
    check_operations,
    check_server_versions,
    check_signatures,
    check_tags,
    is_version_name,
    read_saved_model,
)
from keras_attn.serving.verification_record import read_recorded_translations
from keras_attn.serving.verification_report import VerificationCheck, VerificationReport


def verify_saved_model(
    version_directory: str | os.PathLike[str],
    python: str | os.PathLike[str] | None = None,
    xla: bool = False,
) -> VerificationReport:
    """Verifies one version directory that `export_saved_model` wrote.

    Three things are checked. Its files must be complete. An unmodified TensorFlow Serving must
    accept its tags, signature and operations. It must translate the recorded lines as the
    translator did, together and one by one, and refuse wrong requests. The last check runs in a
    separate process that loads the SavedModel as a server does: with TensorFlow's C++ loader, and
    with XLA switched off. It needs Linux and takes a few seconds. Nothing is written.

    Args:
        version_directory: path. The numbered directory with `saved_model.pb`.
        python: path, or None. An interpreter with another TensorFlow and TensorFlow Text, such as
            those of an older server, to run the SavedModel. Nothing else is needed there.
        xla: bool. Verify it for a server that is started with XLA switched on.

    Returns:
        `VerificationReport`. A fault of the SavedModel is a failed check, not an exception.

    Raises:
        ValueError: if the directory or the interpreter does not exist, or the directory contains
            versions instead of being one.

    Example:
    >>> verify_saved_model("models/en_de/1")
    Traceback (most recent call last):
    ...
    ValueError: `version_directory` must exist. Received: models/en_de/1.
    """
    directory = Path(version_directory)
    if not directory.is_dir():
        problem = "be a directory" if directory.exists() else "exist"
        raise ValueError(f"`version_directory` must {problem}. Received: {directory}.")
    if not (directory / "saved_model.pb").exists():
        versions = [path.name for path in directory.iterdir() if is_version_name(path.name)]
        if versions:
            raise ValueError(
                "`version_directory` must be one version of a model. "
                f"Received: {directory}, which holds the versions "
                f"{', '.join(sorted(versions, key=int))}. Name one of them."
            )
    if python is not None and shutil.which(python) is None:
        raise ValueError(f"`python` must be an interpreter. Received: {python}.")
    return check_saved_model(directory, published=True, python=python or sys.executable, xla=xla)


def check_saved_model(
    directory: Path,
    published: bool,
    python: str | os.PathLike[str] = sys.executable,
    xla: bool = False,
) -> VerificationReport:
    """Runs all checks of a directory, except those that are pointless after a failure.

    Args:
        directory: Path. The version directory.
        published: bool. False while it still has a temporary name.
        python: path. The interpreter that runs the SavedModel.
        xla: bool. Whether the server has XLA switched on.

    Returns:
        `VerificationReport`.
    """
    checks = [check_name(directory, published), check_files(directory)]
    complete = checks[-1].passed
    try:
        saved_model = read_saved_model(directory)
    except ValueError as error:
        checks.append(VerificationCheck("graph", False, str(error)))
        return VerificationReport(directory, tuple(checks))
    checks.append(check_tags(saved_model))
    if checks[-1].passed:
        meta_graph = saved_model.meta_graphs[0]
        checks += [
            check_signatures(meta_graph),
            check_operations(meta_graph, xla),
            check_server_versions(meta_graph),
        ]
    if complete and all(check.passed for check in checks[2:]):
        signatures = list(saved_model.meta_graphs[0].signature_def)
        checks += _check_translations(directory, signatures, python, xla)
    else:
        detail = "not run, because other checks failed"
        checks.append(VerificationCheck(RUNTIME_NAME, False, detail))
    return VerificationReport(directory, tuple(checks))


def _check_translations(
    directory: Path, signatures: list[str], python: str | os.PathLike[str], xla: bool
) -> list[VerificationCheck]:
    try:
        recorded = read_recorded_translations(directory)
    except ValueError as error:
        return [VerificationCheck("recorded translations", False, str(error))]
    return check_runtime(directory, recorded, signatures, python, xla)
