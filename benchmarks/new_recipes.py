"""What `keras-attn new` chooses, and how good it is compared with a recipe made by hand.

    python benchmarks/new_recipes.py --multi30k data/multi30k --tatoeba data/tatoeba_en_de \\
        --output runs/new --minutes 6                                    an hour on 2 cores

Four corpora: Multi30k; Tatoeba; 300 lines of Tatoeba; and 60,000 lines of Tatoeba among 40,000
lines of junk (targets of other lines, copies, empty and repeated lines, scraps of markup). For
each, `keras-attn train --source ... --target ...` chooses a recipe and trains for `--minutes`, and
the recipe made by hand for that corpus trains for as long on the same files. Both are scored on the
corpus' own test set, which neither has seen. A run that already exists is not trained again.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from side_by_side import describe_machine, progress

LANGUAGES = ("en", "de")
FEW = 300
GOOD, JUNK = 60_000, 40_000
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
    results = []
    for name, (pairs, recipe, test_directory, test) in corpora.items():
        if arguments.corpora in name:
            results.append(compare(name, pairs, recipe, test_directory, test, arguments))
            document = {"minutes": arguments.minutes, "corpora": results}
            document["machine"] = describe_machine()
            text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
            (arguments.output / "new_recipes.json").write_text(text, encoding="utf-8")
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
    """Trains both ways, unless the runs exist, and scores them."""
    directory = arguments.output / name.replace(" ", "_").replace("%", "_percent")
    directory.mkdir(parents=True, exist_ok=True)
    files = [directory / f"train.{language}" for language in LANGUAGES]
    for path, texts in zip(files, zip(*pairs, strict=True), strict=True):
        path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    for language in LANGUAGES:  # the recipe made by hand reads all splits from one directory
        for split in ("val", test):
            text = (test_directory / f"{split}.{language}").read_text(encoding="utf-8")
            (directory / f"{split}.{language}").write_text(text, encoding="utf-8")
    minutes = str(arguments.minutes)
    source, target = map(str, files)
    chosen, made = directory / "chosen", directory / "by_hand"
    progress(f"{name}: keras-attn new, and {minutes} minutes of training")
    new = ["train", "--source", source, "--target", target, "--minutes", minutes]
    run_once(chosen, [*new, "--output", str(chosen)])
    progress(f"{name}: {recipe}, {minutes} minutes of training")
    changes = {
        "data.directory": str(directory),
        "training.max_minutes": minutes,
        "training.max_epochs": "none",
    }
    if name == "300 lines":  # no more pieces than the text gives
        changes["tokenizer.vocabulary_size"] = "1000"
        changes["data.augmentation.words"] = "0"
    options = [f"--set={key}={value}" for key, value in changes.items()]
    run_once(made, ["train", recipe, "--output", str(made), *options])
    sources, references = (str(directory / f"{test}.{language}") for language in LANGUAGES)
    scores = {
        run.name: json.loads(
            command("evaluate", str(run), "--source", sources, "--reference", references, "--json")
        )
        for run in (chosen, made)
    }
    report = json.loads((chosen / "report.json").read_text(encoding="utf-8"))
    recipe_text = (directory / "chosen.toml").read_text(encoding="utf-8")
    return {
        "corpus": name,
        "pairs": len(pairs),
        "recipe": recipe_text,
        "steps": report["steps"],
        "parameters": report["parameters"],
        "scores": {run: {key: one[key] for key in ("bleu", "chrf")} for run, one in scores.items()},
    }


def run_once(run: Path, arguments: list[str]) -> None:
    if not (run / "report.json").exists():
        command(*arguments)


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
