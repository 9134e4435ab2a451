"""What a model has learned after a number of updates or minutes, compared with PyTorch.

    python benchmarks/learning.py --data data/multi30k             the curves, 3 hours on 2 cores
    python benchmarks/learning.py --data data/multi30k --parity    the same losses, 5 minutes

Both engines get the same batches in the same order: `multi30k_en_de`'s, with its tokenizer and
model size. They take turns, so a slow minute of the machine slows both.

--parity copies the initial weights of keras_attn to PyTorch, switches dropout and PyTorch's last
normalization off, and prints how far the losses of 200 updates differ. Rounding differs from engine
to engine, and training magnifies it. So a third run shows how much: keras_attn again, with each
initial weight changed by one unit in the last place.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from side_by_side import CPU_ONLY, Engine, describe_machine, peers_python, progress
from train import command_environment

RECIPE = "multi30k_en_de"
SIZE = {"num_layers": 4, "hidden_dim": 128, "intermediate_dim": 256, "num_heads": 4}
TRAINING = {"label_smoothing": 0.1, "peak_learning_rate": 0.002, "warmup_steps": 1000}
DROPOUT = 0.2
MAX_EXTRA_TOKENS = 20
PARITY_STEPS = 200
# What each engine is told besides the size. "torch" has PyTorch's defaults.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "keras_attn": ("keras_attn", {"normalize_first": True, "projection_gain": 0.5**0.5}),
    "torch": ("torch", {}),
    "keras_attn, post-norm": ("keras_attn", {"projection_gain": 0.5**0.5}),
    "keras_attn, the paper's": ("keras_attn", {}),
    "torch, dropout as the paper's": ("torch", {"inner_dropout": False}),
    "torch, no last normalization": ("torch", {"final_normalization": False}),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", required=True, help="the directory of Multi30k")
    parser.add_argument("--parity", action="store_true", help="only compare losses")
    parser.add_argument("--steps", type=int, default=1500, help="updates of each engine")
    parser.add_argument("--every", type=int, default=250, help="updates between two validations")
    parser.add_argument(
        "--minutes", type=float, default=0.0, help="train for at least this many minutes"
    )
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds")
    parser.add_argument(
        "--first-seed", type=int, default=1, help="first seed, to continue an earlier run"
    )
    parser.add_argument(
        "--variants", nargs="+", default=["keras_attn", "torch"], choices=VARIANTS, metavar="NAME"
    )
    parser.add_argument("--output", help="a .json file for the figures; a plot is put beside it")
    parser.add_argument("--peers-python", help="interpreter with requirements-peers.txt")
    arguments = parser.parse_args()
    python = peers_python(arguments.peers_python)
    with tempfile.TemporaryDirectory() as directory:
        progress("making the batches")
        data = write_batches(Path(arguments.data), Path(directory), arguments)
        if arguments.parity:
            compare_losses(python, Path(directory), data)
            return
        result = learn_in_turns(python, Path(directory), data, arguments)
    print_table(result)
    if arguments.output:
        Path(arguments.output).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        draw(result, Path(arguments.output).with_suffix(".png"))


def write_batches(source: Path, directory: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Writes the batches of the recipe to files; returns the tokenizer and the references."""
    from keras_attn.data import training_pipeline
    from keras_attn.training import Recipe
    from keras_attn.training.load_corpora import load_corpora
    from keras_attn.training.tokenizer_pair import TokenizerPair

    recipe = Recipe.named(RECIPE).override({"data.directory": str(source)})
    corpora = load_corpora(recipe.data)
    tokenizer = TokenizerPair.train(recipe.tokenizer, corpora.train).source
    options: dict[str, Any] = {
        "global_batch_tokens": recipe.training.global_batch_tokens,
        "max_source_tokens": recipe.data.max_source_tokens,
        "max_target_tokens": recipe.data.max_target_tokens,
        "num_buckets": recipe.training.num_buckets,
    }
    train = training_pipeline(corpora.train, tokenizer, repeat=True, **options)
    validation = training_pipeline(corpora.validation, tokenizer, shuffle=False, **options)
    # A fast engine may need more than --steps to fill --minutes.
    count = max(arguments.steps, int(arguments.minutes * 60 * 10))
    _write(directory / "train.npz", train.dataset_from(0).take(count))
    batches = _write(directory / "validation.npz", validation.dataset)
    # The labels give the references in the order of the pipeline.
    targets = [tokenizer.detokenize(labels).numpy() for _, labels in batches]
    references = [text.decode() for rows in targets for text in rows]
    return {
        "tokenizer": tokenizer,
        "references": references,
        "size": {**SIZE, "vocabulary_size": tokenizer.vocabulary_size},
    }


def _write(path: Path, dataset: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    pairs = [(inputs["encoder_token_ids"].numpy(), labels.numpy()) for inputs, labels, _ in dataset]
    arrays = {f"source_{i}": pair[0] for i, pair in enumerate(pairs)}
    arrays |= {f"target_{i}": pair[1] for i, pair in enumerate(pairs)}
    np.savez(path, **arrays)
    return pairs


def start_engine(kind: str, python: Path) -> Engine:
    if kind == "torch":
        return Engine("torch", "torch_learn.py", python, CPU_ONLY)
    environment = {**CPU_ONLY, **command_environment()}
    return Engine("keras_attn", "keras_attn_learn.py", environment=environment)


def _files(directory: Path) -> dict[str, str]:
    return {
        "batches": str(directory / "train.npz"),
        "validation": str(directory / "validation.npz"),
    }


def compare_losses(python: Path, directory: Path, data: dict[str, Any]) -> None:
    """Prints how far the losses of 200 updates from the same weights differ."""
    weights = str(directory / "weights.npz")
    common = {
        "size": {**data["size"], "dropout": 0.0},
        "training": TRAINING,
        "seed": 1,
        **_files(directory),
    }
    plain = {"final_normalization": False, "inner_dropout": False, "keras_epsilon": True}
    runs: dict[str, dict[str, Any]] = {
        "keras_attn": {"options": {}, "weights_to": weights},
        "torch": {"options": plain, "weights_from": weights},
        "keras_attn, nudged": {"options": {}, "nudge": True},
    }
    losses = {}
    for name, options in runs.items():
        engine = start_engine(name.split(",")[0], python)
        engine.ask("prepare", **options, **common)
        losses[name] = np.array(engine.ask("learn", steps=PARITY_STEPS)["losses"])
        engine.close()
    ours = losses.pop("keras_attn")
    print(
        f"{'updates':>12} {'loss':>8}   largest difference of the losses up to there, {[*losses]}"
    )
    for step in (1, 25, 50, 75, 100, 125, 150, 175, PARITY_STEPS):
        differences = [np.abs(other - ours)[:step].max() for other in losses.values()]
        figures = "  ".join(f"{difference:.1e}" for difference in differences)
        print(f"{step:12} {ours[step - 1]:8.4f}   {figures}")


def learn_in_turns(
    python: Path, directory: Path, data: dict[str, Any], arguments: argparse.Namespace
) -> dict[str, Any]:
    """The curve of every variant and seed."""
    curves = []
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
        learners = {}
        for name in arguments.variants:
            kind, options = VARIANTS[name]
            learners[name] = start_engine(kind, python)
            learners[name].ask(
                "prepare",
                size={**data["size"], "dropout": DROPOUT},
                options=options,
                training=TRAINING,
                seed=seed,
                **_files(directory),
            )
        points: dict[str, list[dict[str, float]]] = {name: [] for name in learners}
        while busy := [name for name in learners if not _is_done(points[name], arguments)]:
            for name in busy:
                points[name].append(_next_point(learners[name], points[name], data, arguments))
                progress(f"seed {seed}, {name}: {points[name][-1]}")
        curves += [{"variant": name, "seed": seed, "points": points[name]} for name in learners]
        versions = {key: value for one in learners.values() for key, value in one.versions.items()}
        for engine in learners.values():
            engine.close()
    return {"curves": curves, "machine": describe_machine(), "versions": versions}


def _is_done(points: Sequence[dict[str, float]], arguments: argparse.Namespace) -> bool:
    if not points:
        return False
    has_steps = points[-1]["step"] >= arguments.steps
    return has_steps and points[-1]["seconds"] >= 60.0 * arguments.minutes


def _next_point(
    engine: Engine,
    points: Sequence[dict[str, float]],
    data: dict[str, Any],
    arguments: argparse.Namespace,
) -> dict[str, float]:
    """Continues learning, and scores the model."""
    import sacrebleu

    before = points[-1] if points else {"step": 0, "seconds": 0.0}
    learned = engine.ask("learn", steps=arguments.every)
    validation = engine.ask("validate")
    rows = engine.ask("translate", max_extra_tokens=MAX_EXTRA_TOKENS)
    # The last batch of a length may have rows of padding only: their references are empty.
    texts = [data["tokenizer"].detokenize([row]).numpy()[0].decode() for row in rows]
    pairs = [pair for pair in zip(texts, data["references"], strict=True) if pair[1]]
    hypotheses, references = map(list, zip(*pairs, strict=True))
    return {
        "step": before["step"] + arguments.every,
        "seconds": round(before["seconds"] + learned["seconds"], 1),
        "training_loss": round(statistics.fmean(learned["losses"]), 4),
        "loss": round(validation["loss"], 4),
        "perplexity": round(validation["perplexity"], 3),
        "bleu": round(sacrebleu.corpus_bleu(hypotheses, [references]).score, 2),
    }


def print_table(result: dict[str, Any]) -> None:
    """Prints one line per variant and step: medians over the seeds, with lowest and highest."""
    print(f"{'variant':32} {'updates':>8} {'minutes':>8} {'validation loss':>24} {'BLEU':>20}")
    names = dict.fromkeys(curve["variant"] for curve in result["curves"])
    for name in names:
        curves = [one["points"] for one in result["curves"] if one["variant"] == name]
        for points in zip(*curves, strict=False):
            loss, bleu = (_spread([point[key] for point in points]) for key in ("loss", "bleu"))
            minutes = statistics.median(point["seconds"] for point in points) / 60
            print(f"{name:32} {points[0]['step']:8,} {minutes:8.1f} {loss:>24} {bleu:>20}")
    print(f"machine: {json.dumps(result['machine'])}\nversions: {json.dumps(result['versions'])}")


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.3f} ({min(values):.3f} - {max(values):.3f})"


def draw(result: dict[str, Any], path: Path) -> None:
    """Validation loss and BLEU against updates and against minutes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 2, figsize=(10, 7), layout="constrained", sharey="row")
    names = list(dict.fromkeys(curve["variant"] for curve in result["curves"]))
    for curve in result["curves"]:
        color = f"C{names.index(curve['variant'])}"
        label = curve["variant"] if curve["seed"] == 1 else None
        for row, key in enumerate(("loss", "bleu")):
            values = [point[key] for point in curve["points"]]
            for column, x in enumerate(
                (
                    [point["step"] for point in curve["points"]],
                    [point["seconds"] / 60 for point in curve["points"]],
                )
            ):
                axes[row, column].plot(x, values, color=color, label=label, marker=".")
    axes[0, 0].set(ylabel="validation loss (nats per token)")
    axes[1, 0].set(ylabel="BLEU, greedy, validation", xlabel="updates")
    axes[1, 1].set(xlabel="minutes of training, compilation included")
    axes[0, 1].legend()
    figure.suptitle("Multi30k English-German: the same batches, both engines")
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
