"""What sharing a training costs on one machine: one process, two devices, two processes.

    python benchmarks/distribute.py             about 10 minutes on 2 cores
    python benchmarks/distribute.py --quick     fewer steps, under 4 minutes

The model of the recipe `multi30k_en_de` on random ids, 64 x 32 tokens a batch, whole updates
without dropout. `one process` uses all cores in one device; `two devices` are two logical CPUs
under `MirroredStrategy`; `two workers` are two processes under `MultiWorkerMirroredStrategy`, with
the cores shared out among them. Figures are target tokens a second of the global batch. The
exchange is the sum over two workers of tensors as large as the model's weights, by itself.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from typing import Any

from side_by_side import describe_machine, progress

from keras_attn.cli.local_workers import _free_ports, worker_environment

WAYS = ("one process", "two devices", "two workers")
# Prints {"tokens_per_second": [...], "exchange_seconds": [...], "megabytes": ...}.
PROGRAM = """
import json, sys, time
way, steps, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
import tensorflow as tf
if way == "two devices":
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from keras_attn.training import Recipe, get_strategy
names = {"one process": "cpu", "two devices": "mirrored", "two workers": "multi_worker"}
strategy = get_strategy(names[way])
import keras, numpy as np
from keras_attn import create_model
from keras_attn.training.model_setup import compile_model
recipe = Recipe.named("multi30k_en_de")
overrides = {**recipe.model.overrides, "dropout": 0.0}
V, ROWS, LENGTH = 8000, 64, 32
with strategy.scope():
    model = create_model(recipe.model.preset, source_vocabulary_size=V, **overrides)
    compile_model(model, recipe.training, int(model.get_config()["hidden_dim"]))
workers = 2 if way == "two workers" else 1
replicas = strategy.num_replicas_in_sync // workers
ids = tf.random.uniform((ROWS // strategy.num_replicas_in_sync, LENGTH), 4, V, "int32", seed=1)
batch = ({"encoder_token_ids": ids, "decoder_token_ids": ids}, ids, tf.ones(ids.shape))
dataset = of_replica = tf.data.Dataset.from_tensors(batch).repeat()
if strategy.num_replicas_in_sync > 1:
    dataset = strategy.distribute_datasets_from_function(lambda context: of_replica)
fit = lambda: model.fit(dataset, steps_per_epoch=steps, verbose=0)
fit()
speeds = []
for _ in range(rounds):
    started = time.perf_counter()
    fit()
    speeds.append(steps * ROWS * LENGTH / (time.perf_counter() - started))
result = {"tokens_per_second": speeds}
if way == "two workers":
    shapes = [weight.shape for weight in model.trainable_weights]
    def add_up():
        context = tf.distribute.get_replica_context()
        return context.all_reduce("SUM", [tf.ones(shape) for shape in shapes])
    exchange = tf.function(lambda: strategy.run(add_up))
    exchange()
    seconds = []
    for _ in range(5 * rounds):
        started = time.perf_counter()
        tf.nest.flatten(exchange())[-1].numpy()
        seconds.append(time.perf_counter() - started)
    result |= {
        "exchange_seconds": seconds,
        "megabytes": 4e-6 * sum(int(np.prod(shape)) for shape in shapes),
    }
print(json.dumps(result))
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="fewer steps, fewer rounds")
    parser.add_argument("--rounds", type=int, default=5, help="how often each way is measured")
    arguments = parser.parse_args()
    steps, rounds = (4, 2) if arguments.quick else (10, arguments.rounds)
    results = {}
    for way in WAYS:
        progress(f"{way}: compiling and training")
        results[way] = measure(way, steps, rounds)
    medians = {way: statistics.median(each["tokens_per_second"]) for way, each in results.items()}
    exchange = statistics.median(results["two workers"]["exchange_seconds"])
    summary = {
        "cells": [
            {
                "name": way,
                "keras_attn": medians[way],
                "lowest": min(results[way]["tokens_per_second"]),
                "highest": max(results[way]["tokens_per_second"]),
                "ratio_one_process": medians[way] / medians["one process"],
            }
            for way in WAYS
        ],
        "exchange_seconds": exchange,
        "exchange_megabytes": results["two workers"]["megabytes"],
        "exchange_share_of_a_step": exchange * medians["two workers"] / (64 * 32),
        "machine": describe_machine(),
    }
    if arguments.json:
        print(json.dumps(summary))
        return
    for cell in summary["cells"]:
        print(
            f"{cell['name']:12s} {cell['keras_attn']:8,.0f} target tokens/s "
            f"({cell['lowest']:,.0f} - {cell['highest']:,.0f}), {cell['ratio_one_process']:.2f}"
        )
    print(
        f"exchange of {summary['exchange_megabytes']:.1f} MB: {1000 * exchange:.1f} ms, "
        f"{100 * summary['exchange_share_of_a_step']:.1f}% of an update of two workers"
    )
    print(f"machine: {json.dumps(summary['machine'])}")


def measure(way: str, steps: int, rounds: int) -> dict[str, Any]:
    """Runs one way in processes of its own.

    Args:
        way: str. One of `WAYS`.
        steps: int. Updates a round.
        rounds: int. How many rounds.

    Returns:
        dict. What the program printed; of two workers, the first one's.
    """
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, way, str(steps), str(rounds)]
    environments = [dict(os.environ)]
    if way == "two workers":
        addresses = [f"localhost:{port}" for port in _free_ports(2)]
        environments = [worker_environment(addresses, index) for index in range(2)]
    processes = [
        subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for environment in environments
    ]
    outputs = [process.communicate() for process in processes]
    if any(process.returncode for process in processes):
        raise SystemExit(f"{way} failed:\n{outputs[0][1][-3000:]}")
    result: dict[str, Any] = json.loads(outputs[0][0].splitlines()[-1])
    return result


if __name__ == "__main__":
    main()
