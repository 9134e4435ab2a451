"""Who does not translate in bulk neither needs Beam nor waits for it."""

from __future__ import annotations

import subprocess
import sys

import pytest


def run_python(code: str) -> list[str]:
    """The lines that a fresh interpreter prints."""
    command = [sys.executable, "-c", code]
    process = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return process.stdout.splitlines()


def test_a_missing_beam_gives_one_line_with_the_command() -> None:
    code = (
        "import sys\n"
        "sys.modules['apache_beam'] = None\n"
        "try:\n"
        "    import keras_attn.bulk\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    (line,) = run_python(code)
    assert 'pip install "keras_attn[beam]"' in line


@pytest.mark.parametrize(
    "code",
    [
        "import keras_attn; dir(keras_attn)",
        "from keras_attn.cli.main import build_parser\n"
        "build_parser().parse_args(['translate', 'RUN', '--engine', 'beam']).run",
    ],
)
def test_beam_is_not_loaded_before_it_is_needed(code: str) -> None:
    loaded = "print([n for n in sys.modules if n.startswith(('apache_beam', 'tensorflow'))])"
    assert run_python(f"import sys\n{code}\n{loaded}") == ["[]"]
