"""The paper's Table 3 on a small scale: what each part of the model is worth, on Multi30k.

    python benchmarks/variations.py --data data/multi30k --output runs/variations

trains one model per row: `multi30k_en_de` with the model in the paper's order (post-norm), one
thing changed at a time, for a fixed number of updates. Rows as in Table 3: (A) heads at constant
computation, (B) size of the keys, (C) layers and widths, (D) dropout and label smoothing, (E)
learned positions. A row that already exists is not trained again, and an interrupted row continues,
so the command can be stopped and restarted. Then it prints the table, and draws loss against
parameters and against computation.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import keras
from rich.console import Console
from rich.table import Table
from side_by_side import describe_machine, progress
from train import forward_multiply_adds

from keras_attn.layers import MultiHeadAttention
from keras_attn.training import Recipe, train

RECIPE = "multi30k_en_de"
# The row that the others differ from: the paper's order, so that the table is comparable.
BASE: dict[str, Any] = {
    "num_layers": 4,
    "hidden_dim": 128,
    "intermediate_dim": 256,
    "num_heads": 4,
    "dropout": 0.2,
    "normalize_first": False,
    "projection_gain": 0.7071,
}
SIZES = ("num_layers", "hidden_dim", "intermediate_dim")


def rows() -> dict[str, dict[str, Any]]:
    """Name of a row -> what differs from the base, as `--set` takes it."""
    model = "model.overrides."
    table: dict[str, dict[str, Any]] = {"base": {}}
    for heads in (1, 2, 8, 16):
        table[f"A: {heads} heads"] = {f"{model}num_heads": heads}
    for key_dim in (8, 16):
        layer = MultiHeadAttention(num_heads=4, key_dim=key_dim, value_dim=32)
        config = _without_none(keras.saving.serialize_keras_object(layer))
        table[f"B: keys of {key_dim}"] = {f"{model}attention": config}
    for layers in (1, 2, 6):
        table[f"C: {layers} layers"] = {f"{model}num_layers": layers}
    for width in (32, 64, 256):
        table[f"C: width {width}"] = {
            f"{model}hidden_dim": width,
            f"{model}intermediate_dim": 2 * width,
        }
    for inner in (128, 512, 1024):
        table[f"C: inner width {inner}"] = {f"{model}intermediate_dim": inner}
    for rate in (0.0, 0.1, 0.3):
        table[f"D: dropout {rate}"] = {f"{model}dropout": rate}
    for smoothing in (0.0, 0.2):
        table[f"D: smoothing {smoothing}"] = {"training.label_smoothing": smoothing}
    table["E: learned positions"] = {
        f"{model}position": "learned",
        f"{model}max_sequence_length": 256,
    }
    return table


def _without_none(value: Any) -> Any:
    """A config without the entries that are None: TOML has no such value, and all are defaults."""
    if isinstance(value, dict):
        return {key: _without_none(one) for key, one in value.items() if one is not None}
    return value


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", required=True, help="the directory of Multi30k")
    parser.add_argument("--output", required=True, type=Path, help="a directory for the runs")
    parser.add_argument("--steps", type=int, default=3000, help="updates of each row")
    parser.add_argument("--rows", default="", help="only rows whose name contains this")
    arguments = parser.parse_args()
    wanted = {name: row for name, row in rows().items() if arguments.rows in name}
    results = []
    for name, changes in wanted.items():
        progress(f"{name}: training, or reading its report")
        results.append(measure(name, changes, arguments))
        (arguments.output / "variations.json").write_text(
            json.dumps({"rows": results, "machine": describe_machine()}, indent=1) + "\n",
            encoding="utf-8",
        )
    print_table(results)
    sized = [one for one in results if one["name"][:1] in ("b", "C")]
    if sized:
        draw(sized, arguments.output / "variations.png")


def measure(name: str, changes: dict[str, Any], arguments: argparse.Namespace) -> dict[str, Any]:
    """The result of one row; trains it first unless its report exists."""
    run = arguments.output / name.replace(": ", "_").replace(" ", "_")
    report = run / "report.json"
    if not report.exists():
        recipe = Recipe.named(RECIPE).override(
            {
                "data.directory": arguments.data,
                **{f"model.overrides.{key}": value for key, value in BASE.items()},
                "training.max_minutes": "none",
                "training.max_steps": arguments.steps,
                **changes,
            }
        )
        train(recipe, run, resume=True, progress=False)
    facts = json.loads(report.read_text(encoding="utf-8"))
    size = {**BASE, **{key.rsplit(".", 1)[1]: value for key, value in changes.items()}}
    tokens = facts["target_tokens"] / facts["steps"]
    products = forward_multiply_adds(
        rows=round(tokens / 16),
        length=16,
        vocabulary_size=8000,
        num_heads=1,
        **{key: size[key] for key in SIZES},
    )
    return {
        "name": name,
        "parameters": facts["parameters"],
        "training_flops": 3 * 2 * products * facts["steps"],
        "loss": facts["validation"]["loss"],
        "perplexity": facts["validation"]["perplexity"],
        "validation_bleu": facts["validation"]["bleu"],
        "test_bleu": facts["test"]["bleu"],
        "steps": facts["steps"],
    }


def print_table(results: list[dict[str, Any]]) -> None:
    """Prints one line per row, as in the paper's Table 3."""
    columns = ("parameters", "training PFLOP", "perplexity", "BLEU, validation", "BLEU, test")
    table = Table("row", *columns)
    for one in results:
        table.add_row(
            one["name"],
            f"{one['parameters']:,}",
            f"{one['training_flops'] / 1e15:.2f}",
            f"{one['perplexity']:.2f}",
            f"{one['validation_bleu']:.1f}",
            f"{one['test_bleu']:.1f}",
        )
    Console(width=110).print(table)


def draw(results: list[dict[str, Any]], path: Path) -> None:
    """Validation perplexity against parameters, and against computation."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4.5), layout="constrained", sharey=True)
    for axis, key, label in (
        (axes[0], "parameters", "parameters"),
        (axes[1], "training_flops", "floating-point operations of training"),
    ):
        axis.scatter([one[key] for one in results], [one["perplexity"] for one in results])
        for one in results:
            axis.annotate(one["name"], (one[key], one["perplexity"]), fontsize=7)
        axis.set(xscale="log", yscale="log", xlabel=label)
    axes[0].set(ylabel="validation perplexity")
    figure.suptitle("Layers and widths on Multi30k English-German")
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
