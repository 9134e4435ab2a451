"""One checkpoint on disk: everything that is needed to continue training exactly."""

import io
import warnings
import zlib
from pathlib import Path

import h5py
import keras
import numpy as np

from keras_attn.system.whole_file import whole_file
from keras_attn.training.update.planned_schedule import PlannedSchedule
from keras_attn.training.update.seed_variables import seed_variables

STATE_GROUP = "training_state"
_PLAN = "plan"
_WARMUP = "first_warmup_steps"
_PLANNED_FOR = "planned_for"
_CHUNK_BYTES = 1 << 24


class CheckpointError(OSError):
    """A checkpoint could not be written; earlier checkpoints are intact.

    Args:
        path: Path. The file that could not be written.
        reason: str. The message of the operating system.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"the checkpoint {path} could not be written ({reason}); earlier checkpoints are "
            "intact. Fix the cause, then continue with `--resume`"
        )


class OptimizerMismatchError(ValueError):
    """A checkpoint holds the state of an optimizer with other settings.

    Args:
        path: Path. The file.
        reason: str. Keras' message.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"`path` must be a checkpoint of this optimizer. Received: {str(path)!r} ({reason}). "
            "Restore the settings that the run was started with, or start a new run"
        )


def training_state(model: keras.Model, with_metrics: bool = True) -> dict[str, np.ndarray]:
    """Reads what `model.save_weights` leaves out: the seeds of dropout, the plan, the metrics.

    With several workers, every worker must call this, because the metrics are summed over them.

    Args:
        model: keras.Model. Compiled and built.
        with_metrics: bool. Whether to read the metrics; otherwise they start from 0.

    Returns:
        dict of str to array, for `write_checkpoint`.
    """
    variables = {f"seeds/{i}": one for i, one in enumerate(seed_variables(model))}
    if with_metrics:
        variables |= {f"metrics/{i}": one for i, one in enumerate(model.metrics_variables)}
    state = {name: keras.ops.convert_to_numpy(variable) for name, variable in variables.items()}
    schedule = _planned_schedule(model)
    if schedule is None:
        return state
    state |= {_PLAN: schedule.plan, _WARMUP: np.array(schedule.first_warmup_steps)}
    if schedule.planned_for:
        state[_PLANNED_FOR] = np.array(schedule.planned_for.encode())
    return state


def _planned_schedule(model: keras.Model) -> PlannedSchedule | None:
    schedule = getattr(model.optimizer, "schedule", None)
    return schedule if isinstance(schedule, PlannedSchedule) else None


def restore_metrics(model: keras.Model, state: dict[str, np.ndarray]) -> None:
    """Restores the sums of the metrics, which Keras sets to 0 when an epoch begins.

    Args:
        model: keras.Model. Compiled and built.
        state: dict. The result of `read_checkpoint`.
    """
    _assign("metrics", model.metrics_variables, state)


def _assign(group: str, variables: list[keras.Variable], state: dict[str, np.ndarray]) -> None:
    for i, variable in enumerate(variables):
        if f"{group}/{i}" in state:
            variable.assign(state[f"{group}/{i}"])


def write_checkpoint(model: keras.Model, path: Path, state: dict[str, np.ndarray]) -> int:
    """Writes weights, optimizer and state under a temporary name, syncs, then renames the file.

    The file is first made in memory and needs as much memory as its size, because HDF5 can end the
    process if the disk fills while it writes.

    Args:
        model: keras.Model. Compiled and built.
        path: Path. The `.weights.h5` file, which is written atomically.
        state: dict of str to array. The result of `training_state`.

    Returns:
        int. The CRC-32 of the file.

    Raises:
        CheckpointError: if the disk is full, the directory cannot be written, and so on.
    """
    buffer = _WeightsBuffer()
    model.save_weights(buffer)
    with h5py.File(buffer, "r+") as file:
        for name, array in state.items():
            file[f"{STATE_GROUP}/{name}"] = array
    contents = buffer.getbuffer()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary:
            temporary.write_bytes(contents)
    except OSError as error:
        raise CheckpointError(path, error.strerror or str(error)) from error
    return zlib.crc32(contents)


class _WeightsBuffer(io.BytesIO):
    """A file in memory with the name that Keras requires for weights files."""

    def __str__(self) -> str:
        return "checkpoint.weights.h5"


def read_checkpoint(model: keras.Model, path: Path) -> dict[str, np.ndarray]:
    """Loads weights, optimizer, the seeds of dropout and the plan of the schedule.

    Args:
        model: keras.Model. Compiled and built, like the one that was saved.
        path: Path. The file.

    Returns:
        dict of str to array. The state, for `restore_metrics`.

    Raises:
        OptimizerMismatchError: if the file is of an optimizer with other settings.
        OSError, ValueError or KeyError: if it is not an intact checkpoint of this model.
    """
    load_whole(model, path)
    state: dict[str, np.ndarray] = {}

    def keep(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset):
            state[name] = item[()]

    with h5py.File(path, "r") as file:
        if STATE_GROUP in file:
            file[STATE_GROUP].visititems(keep)
    _assign("seeds", seed_variables(model), state)
    schedule = _planned_schedule(model)
    if schedule is not None and _PLAN in state:
        ours = schedule.first_warmup_steps
        schedule.plan = state[_PLAN]
        schedule.planned_for = state.get(_PLANNED_FOR, np.array(b"")).item().decode()
        if state.get(_WARMUP, ours) != ours:  # the recipe of the resumed run has another
            schedule.set_plan(ours, schedule.decay_start, schedule.last_step)
    return state


def load_whole(model: keras.Model, path: Path) -> None:
    """Loads weights and optimizer; Keras would leave out an optimizer that differs, and only warn.

    Args:
        model: keras.Model. Compiled and built, like the one that was saved.
        path: Path. The file.

    Raises:
        OptimizerMismatchError: if the file is of an optimizer with other settings.
        OSError, ValueError or KeyError: if it is not an intact checkpoint of this model.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Skipping variable loading")
        try:
            model.load_weights(path)
        except (UserWarning, ValueError) as error:  # Keras puts what goes wrong into a ValueError
            _, words, reason = str(error).partition("Skipping variable loading")
            if not words:
                raise
            raise OptimizerMismatchError(path, words + reason.split(". ")[0]) from error


def checksum(path: Path) -> int:
    """The CRC-32 of a file, to detect damage.

    Args:
        path: Path. The file.

    Returns:
        int.
    """
    result = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            result = zlib.crc32(chunk, result)
    return result
