"""A training that is killed again and again ends with the very weights of one that was not."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from keras_attn.lines.json_records import read_records
from keras_attn.training.callbacks.history_writer import read_validations
from tests.support.checkpoints import arrays, last_saved
from tests.support.digits import digits_recipe, write_digits

MAX_STEPS = 900
KINDS = ("at any moment", "while a checkpoint is written")
KILLS = 2 * KINDS
TIMES = {"seconds", "target_tokens_per_second", "sentences_per_second"}


def start(recipe: Path, run: Path, cache: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "keras_attn", "train", str(recipe), "--output", str(run)]
    environment = {**os.environ, "KERAS_ATTN_CACHE": str(cache)}
    with (run.parent / f"{run.name}.log").open("ab") as log:
        return subprocess.Popen([*command, "--resume"], stdout=log, stderr=log, env=environment)


def kill_while_it_trains(
    process: subprocess.Popen, run: Path, steps: int, kind: str, when: random.Random
) -> str:
    """Kills it at a random moment after so many steps, or when it next writes a checkpoint."""
    goal = last_saved(run) + steps
    while process.poll() is None and last_saved(run) < goal:
        time.sleep(0.005)
    if kind == KINDS[0]:
        time.sleep(when.uniform(0.0, 0.5))
    else:
        while process.poll() is None and not list((run / "checkpoints").glob(".partial.*")):
            time.sleep(0.0005)
    assert process.poll() is None, f"it ended before it was killed: {process.returncode}"
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = bool(list((run / "checkpoints").glob(".partial.*")))
    return f"killed {kind}, {'a half-written file left' if left else 'no file half-written'}"


def comparable(values: dict) -> dict:
    """Without what the clock says."""
    return {key: value for key, value in values.items() if key not in TIMES}


@pytest.mark.slow
def test_a_killed_run_ends_with_the_same_weights_and_a_whole_history(tmp_path):
    recipe, cache = tmp_path / "digits.toml", tmp_path / "cache"
    digits_recipe(
        write_digits(tmp_path / "corpus"), dropout=0.2, jit_compile=True,
        global_batch_tokens=1024, num_buckets=2, max_steps=MAX_STEPS, validate_every_steps=30,
        save_every_minutes=0.005, bleu_sentences=2, sample_sentences=1, ema_decay=0.9,
        early_stopping_patience=1000, keep_checkpoints=2, warmup_steps=50,
    ).to_toml(recipe)  # fmt: skip
    straight, killed, when = tmp_path / "straight", tmp_path / "killed", random.Random(0)
    assert start(recipe, straight, cache).wait() == 0
    for kind in KILLS:
        steps = when.randint(1, MAX_STEPS // (2 * len(KILLS)))
        words = kill_while_it_trains(start(recipe, killed, cache), killed, steps, kind, when)
        print(f"{words}; saved: step {last_saved(killed)}")
    assert start(recipe, killed, cache).wait() == 0
    name = f"checkpoints/step-{MAX_STEPS:08d}.weights.h5"
    ours, theirs = arrays(killed / name), arrays(straight / name)
    assert ours.keys() == theirs.keys() and any("seeds" in key for key in ours)
    for key in ours:
        np.testing.assert_array_equal(ours[key], theirs[key], err_msg=key)
    histories = [
        [comparable(line) for line in read_records(run / "history.jsonl")]
        for run in (killed, straight)
    ]
    assert histories[0] == histories[1]
    validations = [line["step"] for line in read_validations(killed / "history.jsonl")]
    assert validations == list(range(30, MAX_STEPS + 1, 30))
    assert read_records(killed / "samples.jsonl") == read_records(straight / "samples.jsonl")
    reports = [json.loads((run / "report.json").read_text()) for run in (killed, straight)]
    for key in ("weights", "steps", "epochs", "ended_by"):
        assert reports[0][key] == reports[1][key], key
    assert comparable(reports[0]["validation"]) == comparable(reports[1]["validation"])
    assert not list(killed.rglob("*partial*"))
    print(f"{len(ours)} arrays of step {MAX_STEPS} bit-identical, {len(validations)} validations")
