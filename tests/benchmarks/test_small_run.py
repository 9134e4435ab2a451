"""Programs whose time and memory count."""

import sys

import pytest
from small_run import run_program


def test_a_program_tells_its_output_time_and_memory():
    code = "import time; x = bytearray(200 * 2**20); time.sleep(0.3); print(len(x))"
    finished = run_program([sys.executable, "-c", code])
    assert finished.output.strip() == str(200 * 2**20)
    assert finished.seconds > 0.3
    assert 200 < finished.peak_mebibytes


def test_a_program_that_fails_shows_the_end_of_what_it_said():
    with pytest.raises(RuntimeError, match="ended with 1(?s:.*)ValueError: no"):
        run_program([sys.executable, "-c", "raise ValueError('no')"])


def test_the_environment_reaches_the_program():
    code = "import os; print(os.environ['KERAS_ATTN_CACHE'])"
    assert run_program([sys.executable, "-c", code], {"KERAS_ATTN_CACHE": "x"}).output == "x\n"
