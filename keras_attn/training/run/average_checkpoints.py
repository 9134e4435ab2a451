"""The mean of the weights of several checkpoints (Section 6.1)."""

import os
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from keras_attn.system.whole_file import whole_file
from keras_attn.training.run.checkpoint_file import STATE_GROUP
from keras_attn.training.run.checkpoint_index import CheckpointIndex

# Groups of a checkpoint that do not belong to the model.
_LEFT_OUT = ("optimizer", STATE_GROUP)


def average_checkpoints(
    run_or_paths: str | os.PathLike | Sequence[str | os.PathLike],
    last: int = 5,
    output: str | os.PathLike | None = None,
    best: int | None = None,
    steps: Sequence[int] | None = None,
) -> Path:
    """Writes the element-wise mean of the weights of several checkpoints.

    The paper's models are the mean of the last 5 (base) or 20 (big) checkpoints. Sums are in
    float64. The optimizer's state is left out; whole numbers (counters, seeds) are taken from
    the last file. A tied weight is stored once and stays tied.

    Args:
        run_or_paths: path or sequence of paths. The directory of a run, or `.weights.h5` files.
        last: int. The number of last checkpoints of the run, or of the paths, to average.
        output: path or None. The `.weights.h5` file to write; by default
            `checkpoints/average.weights.h5` of the run, or `average.weights.h5` beside the last
            path.
        best: int or None. The number of checkpoints with the best metric, instead of the last.
        steps: sequence of int or None. The steps of the checkpoints, instead of the last ones.

    Returns:
        Path. The file written; `model.load_weights` reads it.

    Raises:
        ValueError: if there are fewer checkpoints, a file cannot be read, or the files'
            weights differ in name or shape.

    Example:

    >>> import tempfile, keras
    >>> folder = Path(tempfile.mkdtemp())
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    >>> for value in (1.0, 3.0):
    ...     model.set_weights([np.full((1, 1), value), np.zeros(1)])
    ...     model.save_weights(folder / f"{value}.weights.h5")
    >>> mean = average_checkpoints(sorted(folder.glob("*.weights.h5")), last=2)
    >>> model.load_weights(mean)
    >>> float(model.get_weights()[0][0, 0])
    2.0
    """
    if best is not None or steps is not None:
        paths, directory = _choose(run_or_paths, best, steps)
    else:
        paths, directory = _find_paths(run_or_paths)
        _check_count("last", last, len(paths), run_or_paths)
        paths = paths[-last:]
    output = Path(output) if output is not None else directory / "average.weights.h5"
    if not output.name.endswith(".weights.h5"):
        raise ValueError(f"`output` must end in .weights.h5. Received: {str(output)!r}")
    means = _means(paths)
    with whole_file(output) as temporary:
        _write_like(paths[-1], means, temporary)
    return output


def _find_paths(
    run_or_paths: str | os.PathLike | Sequence[str | os.PathLike],
) -> tuple[list[Path], Path]:
    """The weights files in order, and the directory where the mean goes by default."""
    if isinstance(run_or_paths, str | os.PathLike):
        if Path(run_or_paths).is_file():
            return [Path(run_or_paths)], Path(run_or_paths).parent
        index = _index_of(run_or_paths)
        return [checkpoint.path for checkpoint in index.checkpoints], index.directory
    paths = [Path(path) for path in run_or_paths]
    if not paths:
        raise ValueError("`paths` must name at least one checkpoint. Received: none")
    return paths, paths[-1].parent


def _index_of(run: str | os.PathLike) -> CheckpointIndex:
    """The checkpoints of a run, or of a directory of checkpoints."""
    directory = Path(run) / "checkpoints"
    index = CheckpointIndex.stored(directory if directory.is_dir() else Path(run))
    if not index.checkpoints:
        raise ValueError(
            "`run` must be a directory that training wrote, with checkpoints in it. "
            f"Received: {str(run)!r}"
        )
    return index


def _choose(
    run: str | os.PathLike | Sequence[str | os.PathLike],
    best: int | None,
    steps: Sequence[int] | None,
) -> tuple[list[Path], Path]:
    """The weights files of the best validations, or of the given steps."""
    if not isinstance(run, str | os.PathLike) or (best is not None and steps is not None):
        raise ValueError(
            "`best` and `steps` must not be given together, and need a run directory. Received: "
            f"best={best}, steps={steps}, {run!r}"
        )
    index = _index_of(run)
    if steps is None:
        ranked = index.ranked()
        _check_count("best", best or 0, len(ranked), run)
        return sorted(one.path for one in ranked[:best]), index.directory
    paths = {one.step: one.path for one in index.checkpoints}
    missing = [step for step in steps if step not in paths]
    if missing or not steps:
        raise ValueError(
            f"`steps` must be steps that have a checkpoint: {', '.join(map(str, paths))}. "
            f"Received: {', '.join(map(str, steps)) or 'none'}"
        )
    return [paths[step] for step in steps], index.directory


def _check_count(argument: str, count: int, available: int, run: object) -> None:
    if count < 1:
        raise ValueError(f"`{argument}` must be at least 1. Received: {argument}={count}")
    if available < count:
        raise ValueError(
            f"`{argument}` must be at most the number of checkpoints. Received: "
            f"{argument}={count}, checkpoints={available} in {str(run)!r}"
        )


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Every weight of a file by its path in the file, without the optimizer's state."""
    arrays: dict[str, np.ndarray] = {}

    def keep(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset) and name.split("/")[0] not in _LEFT_OUT:
            arrays[name] = item[()]

    try:
        with h5py.File(path, "r") as file:
            file.visititems(keep)
    except OSError as error:
        raise ValueError(
            f"`paths` must be .weights.h5 files. Received: {str(path)!r} ({error})"
        ) from error
    return arrays


def _means(paths: list[Path]) -> dict[str, np.ndarray]:
    """The mean of every floating-point weight over the files, in the files' own precision."""
    sums: dict[str, np.ndarray] = {}
    latest: dict[str, np.ndarray] = {}
    for path in paths:
        arrays = _read_arrays(path)
        if latest:
            _check_alike(latest, arrays, paths[0], path)
        for name, array in arrays.items():
            if array.dtype.kind == "V":
                raise ValueError(
                    "`paths` must contain float32 weights (as with mixed policies). "
                    f"Received: {name!r} of {str(path)!r} in bfloat16"
                )
            if array.dtype.kind == "f":
                sums[name] = sums.get(name, 0.0) + array.astype("float64")
        latest = arrays
    return {name: (sums[name] / len(paths)).astype(latest[name].dtype) for name in sums}


def _check_alike(
    first: dict[str, np.ndarray], other: dict[str, np.ndarray], first_path: Path, path: Path
) -> None:
    """Refuses files of different models."""
    for name in sorted(first.keys() | other.keys()):
        shapes = [
            str(arrays[name].shape) if name in arrays else "missing" for arrays in (first, other)
        ]
        if shapes[0] != shapes[1]:
            raise ValueError(
                "`paths` must be checkpoints of one model. Received: "
                f"{name!r} is {shapes[0]} in {first_path.name} and {shapes[1]} in {path.name}"
            )


def _write_like(model_file: Path, arrays: dict[str, np.ndarray], output: Path) -> None:
    """Copies a weights file without its optimizer, then replaces the weights with the arrays."""
    with h5py.File(model_file, "r") as source, h5py.File(output, "w") as target:
        for key, value in source.attrs.items():
            target.attrs[key] = value
        for key in source:
            if key not in _LEFT_OUT:
                source.copy(key, target)
        for name, array in arrays.items():
            target[name][...] = array
