"""When the process is started again, and what is said before TensorFlow is imported."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from keras_attn.cli import process

IS_LINUX = sys.platform == "linux" and "glibc" in (os.confstr("CS_GNU_LIBC_VERSION") or "")
CODE = """
import json, os, sys
from keras_attn.cli import process
process.keep_the_heap()
names = [*process.HEAP_SETTINGS, "COUNT"]
print(json.dumps([sys.argv, {name: os.environ.get(name) for name in names}, sys.flags.dev_mode]))
"""


def run_script(directory: Path, name: str = "keras-attn", **variables: str) -> list:
    """Runs the code above as a program of that name and returns what it printed."""
    script = directory / name
    script.write_text(CODE, encoding="utf-8")
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {*process.HEAP_SETTINGS, "LD_PRELOAD", process.SWITCH}
        and not name.startswith("PYTEST")
    }
    environment["PYTHONPATH"] = str(Path(process.__file__).parents[2])
    finished = subprocess.run(
        [sys.executable, "-X", "dev", str(script), "train", "a b", "--set", "x=1"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**environment, **variables},
        check=True,
    )
    return json.loads(finished.stdout)


@pytest.mark.skipif(not IS_LINUX, reason="the heap is kept with glibc only")
def test_the_program_starts_again_once_with_the_same_command_line(tmp_path: Path) -> None:
    arguments, settings, dev_mode = run_script(tmp_path)
    assert arguments == [str(tmp_path / "keras-attn"), "train", "a b", "--set", "x=1"]
    assert settings["MALLOC_ARENA_MAX"] == "1"
    assert settings["MALLOC_MMAP_MAX_"] == "0"
    assert int(settings["MALLOC_TRIM_THRESHOLD_"]) >= 2**30
    assert dev_mode is True


@pytest.mark.parametrize(
    "variables", [{"KERAS_ATTN_NO_REEXEC": "1"}, {"MALLOC_TRIM_THRESHOLD_": "7"}]
)
def test_a_wish_of_the_user_is_kept(tmp_path: Path, variables: dict[str, str]) -> None:
    _, settings, _ = run_script(tmp_path, **variables)
    assert settings["MALLOC_MMAP_MAX_"] is None
    assert settings["MALLOC_TRIM_THRESHOLD_"] == variables.get("MALLOC_TRIM_THRESHOLD_")


def test_a_program_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    _, settings, _ = run_script(tmp_path, "their_script.py")
    assert settings["MALLOC_MMAP_MAX_"] is None


def test_nothing_starts_again_under_pytest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["keras-attn", "train"])
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    assert not process.should_restart({})


def test_the_log_level_of_the_user_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    process.prepare_environment()
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")
    process.prepare_environment()
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "3"


def test_what_was_held_back_is_shown_when_an_import_fails(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with process.captured_stderr():
        os.write(2, b"of no interest\n")
    with pytest.raises(ImportError), process.captured_stderr():
        os.write(2, b"the reason\n")
        raise ImportError
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "the reason\nafterwards\n"


def test_the_program_is_named_as_it_can_be_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "my tools"
    directory.mkdir()
    script = directory / "keras-attn"
    script.write_text("", encoding="utf-8")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", [str(script)])
    assert shlex.split(process.program()) == [str(script)]
    monkeypatch.setattr(sys, "argv", ["/somewhere/keras_attn/__main__.py"])
    assert shlex.split(process.program()) == [sys.executable, "-m", "keras_attn"]
    monkeypatch.setenv("PATH", str(directory))
    monkeypatch.setattr(sys, "executable", str(directory / "python"))
    assert process.program() == "keras-attn"
