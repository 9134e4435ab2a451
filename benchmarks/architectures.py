"""Transformer, recurrent and convolutional models of one size, on the same text, in the same time.

    python benchmarks/architectures.py --multi30k data/multi30k --g2p data/sigmorphon2020_g2p \\
        --output runs/architectures

trains `transformer_tiny`, `rnn_tiny` and `conv_tiny`, whose parameters differ by less than 10%,
each for `--minutes` (20) on Multi30k English-German, with data, tokenizer, batches and schedule as
in `multi30k_en_de`, and for `--g2p-minutes` (3) on the pronunciation of three languages, as in
`g2p_french`. Then each translates the test split again, one sentence and 64 at a time, with a beam
of 4. A run that already exists is not trained again, so the command can be stopped and restarted.

It writes `architectures.json`, a table and a plot of the validation loss. Leave the machine alone
while it runs: the time is fixed, so the number of updates is what is measured.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from pathlib import Path
from typing import Any

from side_by_side import describe_machine, progress

from keras_attn import Translator
from keras_attn.lines import read_lines
from keras_attn.training import Recipe, train
from keras_attn.training.recipe.model_recipe import ModelRecipe

# Preset -> overrides that suit it: the Transformer is pre-norm, as in the recipes.
MODELS: dict[str, dict[str, Any]] = {
    "transformer_tiny": {"normalize_first": True, "projection_gain": 0.7071},
    "rnn_tiny": {},
    "conv_tiny": {},
}
DROPOUT = {"multi30k": 0.2, "g2p": 0.3}
LANGUAGES = ("fre", "gre", "hun")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--multi30k", type=Path, required=True, help="the directory of Multi30k")
    parser.add_argument("--g2p", type=Path, required=True, help="the directory of the G2P task")
    parser.add_argument("--output", type=Path, required=True, help="a directory for the runs")
    parser.add_argument(
        "--minutes", type=float, default=20.0, help="minutes of training on Multi30k"
    )
    parser.add_argument(
        "--g2p-minutes", type=float, default=3.0, help="minutes of training per language"
    )
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    rows = {}
    for preset in MODELS:
        rows[preset] = measure(preset, arguments)
        result = {"models": rows, "minutes": arguments.minutes, "machine": describe_machine()}
        path = arguments.output / "architectures.json"
        path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    text = table(rows)
    (arguments.output / "architectures.md").write_text(text, encoding="utf-8")
    draw(arguments.output)
    print(text)


def measure(preset: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Trains what is not trained yet; returns the figures of one architecture."""
    captions = Recipe.named("multi30k_en_de").override(
        {
            "data.directory": str(arguments.multi30k),
            "training.max_minutes": arguments.minutes,
        }
    )
    run = arguments.output / f"{preset}_multi30k"
    facts = trained(_with_model(captions, preset, DROPOUT["multi30k"]), run)
    figures = {
        "parameters": facts["parameters"],
        "updates": facts["steps"],
        "target_tokens_per_second": facts["target_tokens_per_second_without_compilation"]
        or facts["target_tokens_per_second"],  # a run of a minute has only this one
        "validation_loss": facts["validation"]["loss"],
        "perplexity": facts["validation"]["perplexity"],
        "test_bleu": facts["test"]["bleu"],
        "signature": facts["test"]["signatures"]["bleu"],
    }
    figures |= decoding_speed(run, arguments.multi30k / "test_2016_flickr.en")
    for language in LANGUAGES:
        words = Recipe.named("g2p_french").override(
            {
                "data.directory": str(arguments.g2p),
                "data.train": f"train/{language}.tsv",
                "data.validation": f"dev/{language}.tsv",
                "data.source_language": language,
                "training.max_steps": "none",
                "training.max_minutes": arguments.g2p_minutes,
            }
        )
        run = arguments.output / f"{preset}_{language}"
        facts = trained(_with_model(words, preset, DROPOUT["g2p"]), run)
        figures[f"word_error_rate_{language}"] = facts["validation"]["line_error_rate"]
    return figures


def _with_model(recipe: Recipe, preset: str, dropout: float) -> Recipe:
    model = ModelRecipe(preset=preset, overrides={**MODELS[preset], "dropout": dropout})
    return dataclasses.replace(recipe, model=model)


def trained(recipe: Recipe, run: Path) -> dict[str, Any]:
    """The report of a run; trains it first unless the report exists."""
    report = run / "report.json"
    if not report.exists():
        progress(f"{run.name}: training")
        train(recipe, run, resume=True, progress=False)
    facts: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    return facts


def decoding_speed(run: Path, path: Path, num_single: int = 100) -> dict[str, float]:
    """Sentences per second with a beam of 4, after everything is compiled."""
    translator = Translator.load(run / "translator")
    lines = read_lines(path)
    seconds = {}
    for name, batches in (
        ("one", [[line] for line in lines[:num_single]]),
        ("64", [lines[i : i + 64] for i in range(0, len(lines), 64)]),
    ):
        for _ in range(2):  # the first compiles
            started = time.perf_counter()
            for batch in batches:
                translator.translate(batch)
            elapsed = time.perf_counter() - started
        seconds[f"sentences_per_second_{name}"] = sum(map(len, batches)) / elapsed
    return seconds


def table(rows: dict[str, dict[str, Any]]) -> str:
    """One line per model, in Markdown."""
    head = ("parameters", "updates", "target tokens / s", "validation perplexity", "BLEU, test")
    head += ("sentences / s, 1 and 64", *(f"WER, {language}" for language in LANGUAGES))
    lines = [f"| model | {' | '.join(head)} |", "|---" * (1 + len(head)) + "|"]
    for name, row in rows.items():
        cells = [
            f"{row['parameters']:,}",
            f"{row['updates']:,}",
            f"{row['target_tokens_per_second']:,.0f}",
            f"{row['perplexity']:.2f}",
            f"{row['test_bleu']:.1f}",
            f"{row['sentences_per_second_one']:.1f}, {row['sentences_per_second_64']:.0f}",
            *(f"{row[f'word_error_rate_{language}']:.1f}" for language in LANGUAGES),
        ]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def draw(directory: Path) -> None:
    """Validation loss against updates, and against minutes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(11, 4.5), layout="constrained", sharey=True)
    for preset in MODELS:
        run = directory / f"{preset}_multi30k"
        text = (run / "history.jsonl").read_text(encoding="utf-8")
        history = [json.loads(line) for line in text.splitlines()]
        validated = [one for one in history if "val_loss" in one]
        losses = [one["val_loss"] for one in validated]
        updates = [one["step"] for one in validated]
        report = json.loads((run / "report.json").read_text(encoding="utf-8"))
        minutes = [step / report["steps"] * report["step_seconds"] / 60 for step in updates]
        axes[0].plot(updates, losses, marker=".", label=preset)
        axes[1].plot(minutes, losses, marker=".", label=preset)
    axes[0].set(xlabel="updates", ylabel="validation loss")
    axes[1].set(xlabel="minutes of training steps")
    axes[0].legend()
    figure.suptitle("Three architectures on Multi30k English-German")
    figure.savefig(directory / "architectures.png", dpi=120)


if __name__ == "__main__":
    main()
