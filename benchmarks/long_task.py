"""A task of 4,096 tokens in 4 GB of memory, for dense, chunked, local and global attention.

    python benchmarks/long_task.py --output runs/long_task

The first token of a text asks for one of four entries. Each entry, with its answer, occurs four
times among thousands of other tokens. A `TransformerClassifier` of two layers names the answer from
the first position. Local attention alone cannot do this: its window has 64 tokens. Each kind runs
in a program of its own, whose data may take at most `--gigabytes` (4). The system ends a program
that needs more, and the table says so. All kinds but `chunked` drop attention weights (rate 0.1),
so that no layer may compute them in chunks; `chunked` is dense attention without this dropout.

It writes `long_task.json` and a table.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from side_by_side import describe_machine, progress

LENGTH, ROWS, QUESTIONS, ANSWERS, COPIES, OTHERS = 4096, 8, 4, 4, 4, 32
# Name -> attention, and the rate at which its weights are dropped.
KINDS: dict[str, tuple[dict[str, Any], float]] = {
    "dense": ({"name": "multi_head"}, 0.1),
    "chunked": ({"name": "multi_head"}, 0.0),
    "local": ({"name": "local", "sliding_window": 64}, 0.1),
    "local + global": ({"name": "local", "sliding_window": 64, "num_global": 1}, 0.1),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--output", type=Path, required=True, help="a directory")
    parser.add_argument("--gigabytes", type=float, default=4.0, help="memory of a program")
    parser.add_argument("--updates", type=int, default=600)
    parser.add_argument("--length", type=int, default=LENGTH, help="tokens")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--kind", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.kind:
        print(json.dumps(learn(arguments.kind, arguments.length, arguments.updates)))
        return
    arguments.output.mkdir(parents=True, exist_ok=True)
    rows = {}
    for kind in arguments.kinds.split(","):
        rows[kind] = in_little_memory(kind, arguments)
        progress(f"{kind}: {rows[kind]}")
        result = {"kinds": rows, "length": arguments.length, "machine": describe_machine()}
        path = arguments.output / "long_task.json"
        path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    text = table(rows)
    (arguments.output / "long_task.md").write_text(text, encoding="utf-8")
    print(text)


def in_little_memory(kind: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Trains one kind in a program whose data is limited."""
    limit = int(arguments.gigabytes * 1e9)
    command = [sys.executable, __file__, "--output", ".", "--kind", kind]
    command += ["--updates", str(arguments.updates), "--length", str(arguments.length)]
    finished = subprocess.run(
        command,
        capture_output=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit, limit)),
    )
    if finished.returncode:
        lines = finished.stderr.decode(errors="replace").strip().splitlines()
        return {"failed": finished.returncode, "message": lines[-1] if lines else ""}
    figures: dict[str, Any] = json.loads(finished.stdout)
    return figures


def texts(random: np.random.Generator, count: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Token ids, (count, length), and the answers, (count,)."""
    first_entry = 1 + QUESTIONS
    first_other = first_entry + QUESTIONS * ANSWERS
    ids = random.integers(first_other, first_other + OTHERS, (count, length))
    answers = random.integers(ANSWERS, size=(count, QUESTIONS))
    questions = random.integers(QUESTIONS, size=count)
    for row in range(count):
        entries = first_entry + ANSWERS * np.arange(QUESTIONS) + answers[row]
        places = 1 + random.choice(length - 1, QUESTIONS * COPIES, replace=False)
        ids[row, places] = np.tile(entries, COPIES)
    ids[:, 0] = 1 + questions
    return ids.astype("int32"), answers[np.arange(count), questions]


def learn(kind: str, length: int, updates: int) -> dict[str, Any]:
    """Trains a classifier until it is right, or for `updates` updates; tests it on new texts."""
    import keras

    from keras_attn.models import TransformerClassifier

    keras.utils.set_random_seed(1)
    attention, rate = KINDS[kind]
    model = TransformerClassifier(
        1 + QUESTIONS + QUESTIONS * ANSWERS + OTHERS,
        num_classes=ANSWERS,
        pooling="first",
        hidden_dim=64,
        intermediate_dim=128,
        num_heads=4,
        num_layers=2,
        dropout=0.0,
        attention_dropout=rate,
        normalize_first=True,
        attention=attention,
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(2e-3), loss, metrics=["accuracy"], jit_compile=True)
    random, history, started = np.random.default_rng(1), [], time.perf_counter()
    steps = 50
    for _ in range(updates // steps):
        ids, answers = texts(random, steps * ROWS, length)
        logs = model.fit(ids, answers, batch_size=ROWS, verbose=0).history
        history.append({name: values[0] for name, values in logs.items()})
        progress(f"{kind}: {history[-1]}")
        if history[-1]["accuracy"] > 0.99:
            break
    seconds = time.perf_counter() - started
    _, accuracy = model.evaluate(*texts(random, 200, length), batch_size=ROWS, verbose=0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "accuracy": accuracy,
        "updates": steps * len(history),
        "seconds": seconds,
        "peak_mebibytes": peak,
        "history": history,
    }


def table(rows: dict[str, dict[str, Any]]) -> str:
    """One line per kind, in Markdown."""
    lines = [
        "| attention | accuracy, new texts | updates | seconds | peak memory |",
        "|---" * 5 + "|",
    ]
    for kind, row in rows.items():
        if "failed" in row:
            lines.append(f"| {kind} | ended by the limit of memory | - | - | - |")
            continue
        lines.append(
            f"| {kind} | {row['accuracy']:.3f} | {row['updates']:,} | {row['seconds']:,.0f} "
            f"| {row['peak_mebibytes']:,.0f} MiB |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
