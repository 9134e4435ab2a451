"""Two worker processes over loopback train as one does; one that is lost ends the other."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from keras_attn.cli.local_workers import free_ports, worker_environment
from keras_attn.lines.json_records import read_records
from keras_attn.training.callbacks.history_writer import read_validations
from tests.support.checkpoints import arrays, last_saved
from tests.support.digits import digits_recipe, write_digits

# Leaves the weights that this process itself holds, beside what the chief writes.
WORKER = """
import os, signal, sys, keras, numpy as np
from keras_attn.training import Recipe, train
class KillMyself(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.optimizer.iterations.numpy()) == int(os.environ.get("LAST_STEP", 0)):
            os.kill(os.getpid(), signal.SIGKILL)
class Keep(keras.callbacks.Callback):
    def on_train_end(self, logs=None):
        name = f"{sys.argv[2]}.worker{os.environ.get('KERAS_ATTN_WORKER', '')}"
        weights = enumerate(self.model.weights)
        np.savez(name, **{f"{i} {one.path}".replace("/", "."): one.numpy() for i, one in weights})
train(Recipe.from_toml(sys.argv[1]), sys.argv[2], resume=True, callbacks=[Keep(), KillMyself()])
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Where the recipe and all runs are."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def recipe(home) -> Path:
    path = home / "digits.toml"
    digits_recipe(
        write_digits(home / "corpus"), global_batch_tokens=512, num_buckets=2, max_steps=50,
        validate_every_steps=25, bleu_sentences=2, sample_sentences=1, peak_learning_rate=0.002,
        warmup_steps=20, clip_norm=1.0, accumulation_steps=2,
    ).to_toml(path)  # fmt: skip
    return path


@pytest.fixture(scope="module")
def two(home, recipe) -> Path:
    """A run of two workers from start to end; to look at only."""
    run = home / "two"
    wait(start_two(recipe, run), run)
    return run


def start(recipe: Path, run: Path, environment: dict[str, str]) -> subprocess.Popen:
    name = f"{run.name}.{environment.get('KERAS_ATTN_WORKER', 'one')}.log"
    environment = {**environment, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", WORKER, str(recipe), str(run)]
    with (run.parent / name).open("ab") as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log)


def start_two(recipe: Path, run: Path, variables=None) -> list[subprocess.Popen]:
    addresses = [f"localhost:{port}" for port in free_ports(2)]
    return [
        start(recipe, run, worker_environment(addresses, index) | (variables or {}).get(index, {}))
        for index in range(2)
    ]


def wait(processes: list[subprocess.Popen], run: Path) -> None:
    logs = "\n".join(path.read_text()[-1500:] for path in run.parent.glob(f"{run.name}*.log"))
    assert [process.wait(400) for process in processes] == [0] * len(processes), logs


def weights(path: Path) -> dict[str, np.ndarray]:
    """All but the biases of the keys, which softmax cancels: their gradient is rounding."""
    with np.load(path) as file:
        return {name: file[name] for name in file.files if ".key.bias" not in name}


@pytest.mark.slow
def test_two_workers_hold_the_same_weights_and_those_of_one_process(home, recipe, two):
    one = home / "one"
    wait([start(recipe, one, dict(os.environ))], one)
    first, second = weights(home / "two.worker0.npz"), weights(home / "two.worker1.npz")
    alone = weights(home / "one.worker.npz")
    assert len(first) > 20 and first.keys() == second.keys()
    for (name, left), single in zip(first.items(), alone.values(), strict=True):
        np.testing.assert_array_equal(left, second[name], err_msg=name)
        atol = 1e-4 * np.abs(single).max()
        np.testing.assert_allclose(left, single, rtol=1e-4, atol=atol, err_msg=name)
    ours, theirs = read_records(two / "history.jsonl"), read_records(one / "history.jsonl")
    assert [line["step"] for line in ours] == [line["step"] for line in theirs] == [20, 25, 40, 50]
    for left, right in zip(ours, theirs, strict=True):
        assert left.keys() == right.keys()
        names = ("recent_loss", "loss", "perplexity", "val_loss", "val_perplexity", "val_bleu")
        for name in set(names) & set(left):
            assert left[name] == pytest.approx(right[name], rel=1e-4, abs=1e-6), name
    assert json.loads((two / "run.json").read_text())["status"] == "finished"


@pytest.mark.slow
def test_a_lost_worker_ends_the_other_and_both_go_on_to_the_same_result(home, recipe, two):
    """First the chief is lost, and in the run that goes on from there the other worker."""
    run, name = home / "lost", "checkpoints/step-00000050.weights.h5"
    for lost, last_step in ((0, 30), (1, 40)):
        processes = start_two(recipe, run, {lost: {"LAST_STEP": str(last_step)}})
        assert processes[lost].wait(400) == -signal.SIGKILL
        started = time.monotonic()
        assert processes[1 - lost].wait(120) != 0
        print(f"the other ended {time.monotonic() - started:.1f} s later")
        log = (home / f"{run.name}.{1 - lost}.log").read_text()
        assert "another worker has ended, or cannot be reached" in log, log[-3000:]
        assert last_saved(run) == 25
    wait(start_two(recipe, run), run)
    theirs = arrays(two / name)
    for key, ours in arrays(run / name).items():
        np.testing.assert_allclose(ours, theirs[key], rtol=1e-5, atol=1e-7, err_msg=key)
    steps = [line["step"] for line in read_validations(run / "history.jsonl")]
    assert steps == [25, 50]
