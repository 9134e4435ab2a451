"""The process of a command: quiet libraries, and a heap that is kept during training."""

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
# glibc gives freed memory back to the system, and a training step asks for the same memory again:
# pages that the kernel must clear each time. No mapping for large blocks, and no trimming below
# 16 GiB of free memory at the top, keep it; and so does one heap for all threads, because those
# that glibc makes for a thread are given back whatever the threshold.
HEAP_SETTINGS = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(16 * 2**30),
}
HEAP_HELP = f"""\
On Linux with glibc, the process starts itself once more with
{" ".join(f"{name}={value}" for name, value in HEAP_SETTINGS.items())},
so that the memory of a training step is kept for the next one: steps are faster, and memory is
given back only at the end. It does not where one of these, or LD_PRELOAD, or {SWITCH}
is set."""

_GPU_DEVICES = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/nvhost-ctrl-gpu", "/dev/nvmap")
_OUR_PROGRAMS = ("keras-attn", "__main__.py")


def prepare_environment() -> None:
    """Sets what TensorFlow and Keras read when they are first imported; a user's value stays.

    TensorFlow's runtime speaks of errors that are none (an operation without a faster kernel); what
    stops a program comes as an exception, so only that is shown. Without a GPU in this machine it
    is told not to look for one. The commands are TensorFlow programs, whatever backend the user's
    own Keras programs have.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    if sys.platform == "linux" and not any(map(os.path.exists, _GPU_DEVICES)):
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")


def load_tensorflow() -> None:
    """Imports TensorFlow and lets it look for devices, and hides what it prints each time.

    Its libraries print that before they read the log level. With `TF_CPP_MIN_LOG_LEVEL=0` or 1
    everything is shown; and so it is if the import fails.
    """
    if "tensorflow" in sys.modules:
        return
    is_verbose = os.environ.get("TF_CPP_MIN_LOG_LEVEL") in ("0", "1")
    with contextlib.nullcontext() if is_verbose else _held_back_stderr():
        import tensorflow as tf
        import tensorflow_text  # noqa: F401

        tf.config.list_physical_devices()


@contextlib.contextmanager
def _held_back_stderr() -> Iterator[None]:
    """Keeps what native code writes to standard error; shows it if an exception passes."""
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
    """Restarts this program with a heap that is kept, if that is possible and wanted."""
    if should_start_again(os.environ):
        sys.stdout.flush()
        sys.stderr.flush()
        # The very command line of this process: interpreter options and the program's own name.
        command = [sys.executable, *sys.orig_argv[1:]]
        os.execve(sys.executable, command, {**os.environ, **HEAP_SETTINGS})


def should_start_again(environment: Mapping[str, str]) -> bool:
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
    """How a user can type this program here: `keras-attn` if that is on the path, or longer.

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
