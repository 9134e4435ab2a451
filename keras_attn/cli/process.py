"""The process of a command: quiet libraries, and a heap that keeps its memory in training."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

SWITCH = "KERAS_ATTN_NO_REEXEC"
# glibc returns freed memory to the system. The next training step allocates the same memory again,
# and the kernel must clear its pages each time. These settings keep the memory: no mappings for
# large blocks, no trimming below 16 GiB of free memory at the top of the heap, and one heap for all
# threads, because glibc trims the heaps of single threads whatever the threshold.
HEAP_SETTINGS = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(16 * 2**30),
}
HEAP_HELP = f"""\
On Linux with glibc, the process restarts itself once with
{" ".join(f"{name}={value}" for name, value in HEAP_SETTINGS.items())},
so that each training step reuses the memory of the step before: steps are faster, and memory is
returned only at the end. It does not restart if one of these variables, LD_PRELOAD or
{SWITCH} is set."""

_GPU_DEVICES = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/nvhost-ctrl-gpu", "/dev/nvmap")
_OUR_PROGRAMS = ("keras-attn", "__main__.py")


def prepare_environment() -> None:
    """Sets the variables that TensorFlow and Keras read at import; a user's value is kept.

    TensorFlow's runtime logs errors that are harmless (an operation without a faster kernel). Real
    errors are exceptions, so the log is hidden. On a machine without a GPU, TensorFlow is told not
    to look for one. The Keras backend is always TensorFlow, whatever backend the user has set.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    if sys.platform == "linux" and not any(map(os.path.exists, _GPU_DEVICES)):
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")


def load_tensorflow() -> None:
    """Imports TensorFlow, lets it look for devices, and hides what it prints.

    Its libraries print before they read the log level. With `TF_CPP_MIN_LOG_LEVEL=0` or 1, or if
    the import fails, everything is shown.
    """
    if "tensorflow" in sys.modules:
        return
    is_verbose = os.environ.get("TF_CPP_MIN_LOG_LEVEL") in ("0", "1")
    with contextlib.nullcontext() if is_verbose else captured_stderr():
        import tensorflow as tf
        import tensorflow_text  # noqa: F401

        tf.config.list_physical_devices()


@contextlib.contextmanager
def captured_stderr() -> Iterator[None]:
    """Captures what native code writes to standard error; shows it after an exception."""
    sys.stderr.flush()
    try:
        terminal = os.dup(2)
    except OSError:  # it is closed
        yield
        return
    with tempfile.TemporaryFile() as file, open(terminal, "wb") as stderr:
        os.dup2(file.fileno(), 2)
        try:
            yield
        except Exception:
            file.seek(0)
            stderr.write(file.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)


def keep_the_heap() -> None:
    """Restarts this program with `HEAP_SETTINGS`, if that is possible and wanted."""
    if should_restart(os.environ):
        sys.stdout.flush()
        sys.stderr.flush()
        # The exact command line of this process, with interpreter options and the program's name.
        command = [sys.executable, *sys.orig_argv[1:]]
        os.execve(sys.executable, command, {**os.environ, **HEAP_SETTINGS})


def should_restart(environment: Mapping[str, str]) -> bool:
    """Whether restarting is possible, useful, and not switched off.

    Args:
        environment: mapping. The environment variables.

    Returns:
        bool.
    """
    names = {*HEAP_SETTINGS, "LD_PRELOAD", SWITCH, "PYTEST_CURRENT_TEST"}
    has_its_own = any(name in environment for name in names)
    is_ours = Path(sys.argv[0]).name in _OUR_PROGRAMS and "pytest" not in sys.modules
    is_too_late = "tensorflow" in sys.modules
    return is_ours and not has_its_own and not is_too_late and bool(sys.executable) and _has_glibc()


def _has_glibc() -> bool:
    if sys.platform != "linux":
        return False
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc")
    except (OSError, ValueError):
        return False


def program() -> str:
    """The command that starts this program: `keras-attn` if it is on the PATH, or a longer one.

    Returns:
        str. Ready for a shell.
    """
    script = Path(sys.argv[0])
    on_path = shutil.which("keras-attn")
    ours = Path(sys.executable).parent
    if on_path is not None and Path(on_path).parent.resolve() == ours.resolve():
        return "keras-attn"
    if script.name == "keras-attn" and script.exists():
        return shlex.quote(str(script))
    return f"{shlex.quote(sys.executable)} -m keras_attn"
