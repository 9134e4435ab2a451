"""When XLA is told which library multiplies matrices, and that it understands it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest

from keras_attn.system import matrix_products
from keras_attn.system.matrix_products import use_eigen_products

# Importing the package may have set the flag already; either way XLA reads it when it compiles.
COMPILE_SOMETHING = """
import os
import keras_attn
from keras_attn.system import matrix_products
matrix_products._has_avx2_alone = lambda: True
matrix_products.importlib.util.find_spec = lambda name: None
matrix_products.use_eigen_products()
assert "ynn" in os.environ["XLA_FLAGS"]
matrix_products.importlib.reload(matrix_products.importlib.util)
import tensorflow as tf
function = tf.function(lambda x: tf.matmul(x, x), jit_compile=True)
print(int(function(tf.ones((64, 64))).numpy().sum()))
"""


@pytest.fixture(autouse=True)
def no_jax(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


@pytest.mark.parametrize(
    ("abilities", "expected"), [("avx avx2 fma", True), ("avx2 avx512f", False), ("sse", False)]
)
def test_it_depends_on_the_processor(tmp_path, monkeypatch, abilities, expected) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"model name\t: some\nflags\t\t: fpu {abilities} sse2\n")
    found = matrix_products._has_avx2_alone(str(cpuinfo))
    assert found is expected
    monkeypatch.setattr(matrix_products, "_has_avx2_alone", lambda: found)
    environment: dict[str, str] = {}
    assert use_eigen_products(environment) is expected
    assert bool(environment) is expected


def test_other_flags_and_a_users_own_choice_stay(monkeypatch) -> None:
    monkeypatch.setattr(matrix_products, "_has_avx2_alone", lambda: True)
    environment = {"XLA_FLAGS": "--xla_dump_to=here"}
    assert use_eigen_products(environment)
    assert environment["XLA_FLAGS"].split()[0] == "--xla_dump_to=here"
    before = dict(environment)
    assert not use_eigen_products(environment)  # once is enough
    assert environment == before


def test_jax_is_not_disturbed(monkeypatch) -> None:
    monkeypatch.setattr(matrix_products, "_has_avx2_alone", lambda: True)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    environment: dict[str, str] = {}
    assert not use_eigen_products(environment)
    assert not environment


def test_xla_knows_the_flag() -> None:
    environment = {**os.environ, "KERAS_ATTN_CACHE": ""}
    environment.pop("XLA_FLAGS", None)
    command = [sys.executable, "-c", COMPILE_SOMETHING]
    finished = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert finished.stdout.split()[-1:] == [str(64**3)], finished.stderr[-500:]
