"""What `keras-attn new` chooses, and how good it is compared with a recipe made by hand.

    python benchmarks/new_recipes.py --multi30k data/multi30k --tatoeba data/tatoeba_en_de \\
        --output runs/new --minutes 6                                    an hour on 2 cores

Four corpora: Multi30k; Tatoeba; 300 lines of Tatoeba; and 60,000 lines of Tatoeba among 40,000
lines of junk (targets of other lines, copies, empty and repeated lines, scraps of markup). For
each, `keras-attn train --source ... --target ...` chooses a recipe and trains for `--minutes`, and
the recipe made by hand for that corpus trains for as long on the same files. For the 300 lines,
the sizes of Tatoeba's recipe are those that its author would give so small a corpus, and a tenth of
the lines are held out for its validation, as `keras-attn new` does. Both are scored on the corpus'
own test set, which neither has seen.

After an interruption, the same command continues: runs and scores that are complete are kept, and a
run that is not is made again from its start, because its minutes must be in one piece.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from side_by_side import describe_machine, progress

LANGUAGES = ("en", "de")
FEW = 300
GOOD, JUNK = 60_000, 40_000
# What Tatoeba's recipe needs for 300 lines: it is made for 166,000. A pass over them is a few
# updates, so they would be validated all the time.
BY_HAND_FOR_FEW = {
    "tokenizer.vocabulary_size": "1000",  # no more pieces than the text gives
    "data.augmentation.words": "0",
    "model.overrides.hidden_dim": "128",
    "model.overrides.intermediate_dim": "256",
    "model.overrides.num_layers": "2",
    "model.overrides.num_heads": "4",
    "model.overrides.dropout": "0.3",
    "training.global_batch_tokens": "1024",
    "training.validate_every_steps": "100",
}
Pair = tuple[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--multi30k", required=True, type=Path)
    parser.add_argument("--tatoeba", required=True, type=Path)
    parser.add_argument("--output", required=True, type=Path, help="a directory for the runs")
    parser.add_argument("--minutes", type=float, default=6.0, help="minutes of each training")
    parser.add_argument("--corpora", default="", help="only those whose name contains this")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    tatoeba = read_pairs(arguments.tatoeba, "train")
    # Name -> pairs to train on, the recipe made by hand, and the directory and name of the test.
    corpora: dict[str, tuple[list[Pair], str, Path, str]] = {
        "multi30k": (
            read_pairs(arguments.multi30k, "train"),
            "multi30k_en_de",
            arguments.multi30k,
            "test_2016_flickr",
        ),
        "tatoeba": (tatoeba, "tatoeba_en_de", arguments.tatoeba, "test"),
        "300 lines": (
            random.Random(0).sample(tatoeba, FEW),
            "tatoeba_en_de",
            arguments.tatoeba,
            "test",
        ),
        "40% junk": (with_junk(tatoeba), "tatoeba_en_de", arguments.tatoeba, "test"),
    }
    results: list[dict[str, Any]] = []
    document = {"minutes": arguments.minutes, "corpora": results, "machine": describe_machine()}
    for name, (pairs, recipe, test_directory, test) in corpora.items():
        if arguments.corpora in name:
            results.append(compare(name, pairs, recipe, test_directory, test, arguments))
            text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
            (arguments.output / "new_recipes.json").write_text(text, encoding="utf-8")
    if arguments.json:
        print(json.dumps(document, ensure_ascii=False))
    else:
        print_table(results)


def read_pairs(directory: Path, split: str) -> list[Pair]:
    sides = [
        (directory / f"{split}.{language}").read_text(encoding="utf-8").splitlines()
        for language in LANGUAGES
    ]
    return list(zip(*sides, strict=True))


def with_junk(pairs: Sequence[Pair]) -> list[Pair]:
    """Pairs of which two in five teach nothing, or something wrong."""
    dice = random.Random(1)
    chosen = dice.sample(pairs, GOOD + JUNK)
    good, spoiled = chosen[:GOOD], chosen[GOOD:]
    fifth = JUNK // 5
    sources, targets = ([pair[side] for pair in spoiled] for side in (0, 1))
    wrong = targets[:fifth]
    dice.shuffle(wrong)
    junk = list(zip(sources[:fifth], wrong, strict=True))
    junk += [(text, text) for text in sources[fifth : 2 * fifth]]
    junk += [(text, "") for text in sources[2 * fifth : 3 * fifth]]
    junk += [dice.choice(good[:500]) for _ in range(fifth)]
    junk += [(f"<li><a href='/x?id={i}'>", "&nbsp;" * (1 + i % 9)) for i in range(fifth)]
    mixed = good + junk
    dice.shuffle(mixed)
    return mixed


def compare(
    name: str,
    pairs: list[Pair],
    recipe: str,
    test_directory: Path,
    test: str,
    arguments: argparse.Namespace,
) -> dict[str, Any]:
    """Trains both ways and scores them, unless that has been done."""
    directory = arguments.output / name.replace(" ", "_").replace("%", "_percent")
    directory.mkdir(parents=True, exist_ok=True)
    write_pairs(directory, "train", pairs)
    # The recipe made by hand reads all splits from one directory.
    splits = {split: read_pairs(test_directory, split) for split in ("val", test)}
    few = name == "300 lines"
    if few:
        held_out = len(pairs) // 10
        write_pairs(directory, "few", pairs[:-held_out])
        splits["val"] = pairs[-held_out:]
    for split, texts in splits.items():
        write_pairs(directory, split, texts)
    chosen, made = directory / "chosen", directory / "by_hand"
    source, target = (str(directory / f"train.{language}") for language in LANGUAGES)
    new = ["--source", source, "--target", target, "--minutes", str(arguments.minutes)]
    run_once(chosen, ["train", *new], arguments.minutes)
    changes = {
        "data.directory": str(directory),
        "training.max_minutes": str(arguments.minutes),
        "training.max_epochs": "none",
    }
    if few:
        changes |= {"data.train": "few", **BY_HAND_FOR_FEW}
    options = [f"--set={key}={value}" for key, value in changes.items()]
    run_once(made, ["train", recipe, *options], arguments.minutes)
    files = [str(directory / f"{test}.{language}") for language in LANGUAGES]
    scores = {run.name: score_once(run, *files) for run in (chosen, made)}
    report = json.loads((chosen / "report.json").read_text(encoding="utf-8"))
    return {
        "corpus": name,
        "pairs": len(pairs),
        "recipe": (directory / "chosen.toml").read_text(encoding="utf-8"),
        "steps": report["steps"],
        "parameters": report["parameters"],
        "scores": {run: {key: one[key] for key in ("bleu", "chrf")} for run, one in scores.items()},
    }


def write_pairs(directory: Path, split: str, pairs: Sequence[Pair]) -> None:
    for language, texts in zip(LANGUAGES, zip(*pairs, strict=True), strict=True):
        lines = "".join(f"{text}\n" for text in texts)
        (directory / f"{split}.{language}").write_text(lines, encoding="utf-8")


def run_once(run: Path, arguments: list[str], minutes: float) -> None:
    """Trains, unless the run is complete. What an interrupted one has left is removed."""
    if (run / "report.json").exists():
        table = tomllib.loads((run / "recipe.toml").read_text(encoding="utf-8"))
        found = table["training"]["max_minutes"]
        if found != minutes:
            raise SystemExit(f"{run} was trained for {found:g} minutes: choose another --output")
        return
    progress(f"{run}: {minutes:g} minutes of training")
    shutil.rmtree(run, ignore_errors=True)
    shutil.rmtree(run.with_name(f"{run.name}_data"), ignore_errors=True)
    run.with_name(f"{run.name}.toml").unlink(missing_ok=True)
    command(*arguments, "--output", str(run))


def score_once(run: Path, sources: str, references: str) -> dict[str, Any]:
    """The scores of a run on the test set, which are kept beside its report."""
    path = run / "test_scores.json"
    if not path.exists():
        progress(f"{run}: scoring")
        options = ["--source", sources, "--reference", references, "--json"]
        path.write_text(command("evaluate", str(run), *options), encoding="utf-8")
    return json.loads(path.read_text(encoding="utf-8"))


def command(*arguments: str) -> str:
    process = subprocess.run(
        [sys.executable, "-m", "keras_attn", *arguments], stdout=subprocess.PIPE, text=True
    )
    if process.returncode:
        raise SystemExit(f"keras-attn {' '.join(arguments)} failed")
    return process.stdout


def print_table(results: list[dict[str, Any]]) -> None:
    table = Table("corpus", "pairs", "parameters", "chosen: BLEU, chrF", "by hand: BLEU, chrF")
    for one in results:
        figures = [
            f"{one['scores'][run]['bleu']:.1f}, {one['scores'][run]['chrf']:.1f}"
            for run in ("chosen", "by_hand")
        ]
        table.add_row(one["corpus"], f"{one['pairs']:,}", f"{one['parameters']:,}", *figures)
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
