"""SCAN, length split: do positions relative to each other carry further than absolute ones?

    python benchmarks/scan_length.py --output runs/scan --minutes 3 --seeds 2

trains one small Transformer for each kind of position and each seed, on commands of up to 22
actions (Lake and Baroni, 2018, Experiment 2). It counts lines that are right as a whole: of 1,000
commands held out from training, and of all 3,920 that ask for 24 to 48 actions. With the defaults
that should take an hour or two on 2 cores. A run that already exists is not trained again, so the
command can be stopped and restarted. It writes `scan_length.json`, `.md` and `.png`.

Look at "held out" first. A model that cannot do short commands yet says nothing about long ones,
and a few hundred updates are too few for some kinds. For figures of record, use `--steps` with
several thousand updates, and more seeds.

    --positions sinusoidal,relative_bias,relative_bias:max_distance=17

names kinds of `position`, with arguments after colons. `relative_bias` has buckets for distances up
to 128, and training on 22 actions leaves those for 24 and more at their initial values; with
`max_distance=17` every distance has a bucket that was trained.

To be fair, all runs have the same model, pairs and budget, and the same batches for a seed.
`--steps` gives each the same number of updates; `--minutes` gives each the same time, so a slow
kind makes fewer updates. Compiling counts, and a second seed finds the programs of the first, so
the machine must have nothing else to do and the time must be long. The weights are those of the
last update: choosing a checkpoint by commands of training length would favor models that fail on
long ones (Csordás et al., 2021), and choosing by long ones would be learning from the test. Search
is greedy, for up to 60 tokens more than the command has.

A model may know the actions but not when to end (Newman et al., 2020). So there is a second figure,
"told the end": the search may not end before the 48th action, and what comes after the right length
is cut off. That is generous: a model that repeats itself without end is right wherever a command
asks for the same twice. "Ended early" are lines that were right until they ended too soon.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from side_by_side import describe_machine, progress

from keras_attn import Translator
from keras_attn.data import Corpus, scan
from keras_attn.decoding import GreedySearch
from keras_attn.layers.slots import fill_slot
from keras_attn.system.whole_file import whole_file
from keras_attn.training import Recipe, train

POSITIONS = (
    "sinusoidal,learned,rotary,alibi,relative_bias,relative_bias:max_distance=17,relative_embedding"
)
NUM_VALIDATION = 1000
LONGEST = 48  # actions of a command
# The sizes of Csordás et al. (2021) for SCAN; pre-norm, which learns faster at first.
MODEL: dict[str, Any] = {
    "num_layers": 3,
    "hidden_dim": 128,
    "intermediate_dim": 256,
    "num_heads": 8,
    "dropout": 0.1,
    "normalize_first": True,
    "projection_gain": 0.7071,
    "max_sequence_length": 128,  # of learned positions, 22 of which are ever seen
}
TRAINING: dict[str, Any] = {
    "global_batch_tokens": 2048,
    "num_buckets": 3,
    "peak_learning_rate": 0.002,
    "warmup_steps": 300,
    "decay": "linear",
    "decay_share": 0.4,
    "label_smoothing": 0.0,
    "validate_every_steps": 10**9,  # once, after the last update: no checkpoint is chosen
    "sample_sentences": 0,
    "keep_checkpoints": 1,
}
SCORES = ("validation", "test", "test_told_the_end", "test_ended_early")
HEADINGS = ("held out", "long", "long, told the end", "long, ended early")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--output", required=True, type=Path, help="a directory for the runs")
    parser.add_argument("--positions", default=POSITIONS, help="kinds, separated by commas")
    parser.add_argument("--seeds", type=int, default=2, help="runs of each kind")
    parser.add_argument("--minutes", type=float, default=3.0, help="minutes of each training")
    parser.add_argument("--steps", type=int, help="updates of each training, in place of minutes")
    parser.add_argument("--cut", type=int, default=22, help="most actions of a training command")
    arguments = parser.parse_args()
    positions = {name: parse_position(name) for name in arguments.positions.split(",")}
    minutes = None if arguments.steps else arguments.minutes
    budget = f"{arguments.steps}_updates" if arguments.steps else f"{minutes:g}_minutes"
    directory = arguments.output / f"up_to_{arguments.cut}_actions"
    corpora = write_corpora(directory, arguments.cut)
    runs = []
    for seed in range(arguments.seeds):  # a whole round of all kinds before the next seed
        for name, position in positions.items():
            progress(f"{name}, seed {seed}: training, or reading its scores")
            recipe = make_recipe(directory, position, seed, arguments.steps, minutes)
            run = directory / budget / f"{name.replace(':', '_').replace('=', '_')}_seed_{seed}"
            runs.append({"position": name, "seed": seed, **measure(run, recipe, corpora)})
            document = {"budget": budget.replace("_", " "), "cut": arguments.cut, "runs": runs}
            document |= {"model": MODEL, "training": TRAINING, "machine": describe_machine()}
            write(arguments.output / "scan_length.json", json.dumps(document, indent=1) + "\n")
    table = make_table(runs)
    write(arguments.output / "scan_length.md", table)
    print(table, end="")
    draw(runs, arguments.cut, arguments.output / "scan_length.png")


def parse_position(name: str) -> str | dict[str, Any]:
    """`relative_bias:max_distance=17` as `create_model` takes it; an error if it is not valid."""
    kind, *options = name.split(":")
    pairs = (option.partition("=") for option in options)
    arguments = {key: json.loads(value) for key, _, value in pairs}
    filling: str | dict[str, Any] = {"name": kind, **arguments} if arguments else kind
    fill_slot("position", filling, name="position", hidden_dim=8, max_sequence_length=8)
    return filling


def write_corpora(directory: Path, cut: int) -> dict[str, Corpus]:
    """Writes the pairs of all runs to files that the recipe reads: command, tab, actions."""
    train_pairs, test = scan("length", max_train_actions=cut)  # shuffled
    split = min(NUM_VALIDATION, len(train_pairs) // 5)
    validation = train_pairs.take(split)
    rest = Corpus(train_pairs.sources[split:], train_pairs.targets[split:], name="train")
    corpora = {"train": rest, "validation": validation, "test": test}
    directory.mkdir(parents=True, exist_ok=True)
    for name, corpus in corpora.items():
        lines = "".join(f"{command}\t{actions}\n" for command, actions in corpus)
        write(directory / f"{name}.tsv", lines)
    return corpora


def make_recipe(
    directory: Path, position: str | dict[str, Any], seed: int, steps: int | None, minutes: Any
) -> Recipe:
    limit = {"max_steps": steps} if steps else {"max_minutes": minutes}
    return Recipe.from_table(
        {
            "name": "scan_length",
            "data": {
                "kind": "tsv",
                "directory": str(directory),
                "train": "train.tsv",
                "validation": "validation.tsv",
                "source_language": "commands",
                "target_language": "actions",
            },
            "tokenizer": {"kind": "word", "shared": False},
            "model": {"preset": "transformer_tiny", "overrides": {**MODEL, "position": position}},
            "training": {**TRAINING, **limit, "seed": seed},
            "decoding": {"class_name": "GreedySearch", "max_extra_tokens": 60},
        }
    )


def measure(run: Path, recipe: Recipe, corpora: dict[str, Corpus]) -> dict[str, Any]:
    """The scores of one run; trains it first unless they exist."""
    scores = run / "scan_length.json"
    if scores.exists():
        return json.loads(scores.read_text(encoding="utf-8"))
    if not (run / "report.json").exists():
        if recipe.training.max_minutes is not None:
            # A run that went on after a break would have more minutes than the others.
            shutil.rmtree(run, ignore_errors=True)
        train(recipe, run, resume=True, progress=False)
    report = json.loads((run / "report.json").read_text(encoding="utf-8"))
    result = {
        "steps": report["steps"],
        "parameters": report["parameters"],
        "seconds": report["seconds"],
        "validation_perplexity": report["validation"]["perplexity"],
        **score(Translator.load(run / "translator"), corpora),
    }
    write(scores, json.dumps(result, indent=1) + "\n")
    return result


def score(translator: Translator, corpora: dict[str, Corpus]) -> dict[str, Any]:
    """Shares of lines that are right, in percent, over all and by the number of actions."""
    names = ("validation", "test")
    sources = [command for name in names for command in corpora[name].sources]
    result: dict[str, Any] = {}
    by_length = result["right_by_actions"] = {}
    for suffix, min_length in (("", 0), ("_told_the_end", LONGEST)):
        translator.decoding = GreedySearch(min_length=min_length)
        translations = iter(translator.translate(sources))
        for name in names:
            actions = [text.split() for text in corpora[name].targets]
            answers = [next(translations).split() for _ in actions]
            if min_length:
                pairs = zip(answers, actions, strict=True)
                answers = [answer[: len(right)] for answer, right in pairs]
            else:
                result |= _errors_of_the_end(name, answers, actions)
            marks = [answer == right for answer, right in zip(answers, actions, strict=True)]
            result[name + suffix] = _percent(marks)
            by_length[name + suffix] = _by_length(marks, actions)
    return result


def _errors_of_the_end(
    name: str, answers: Sequence[list[str]], actions: Sequence[list[str]]
) -> dict[str, float]:
    """Lines that are right except for the end, in percent. Empty answers do not count."""
    pairs = list(zip(answers, actions, strict=True))
    early = [0 < len(one) < len(right) and right[: len(one)] == one for one, right in pairs]
    late = [len(one) > len(right) and one[: len(right)] == right for one, right in pairs]
    return {f"{name}_ended_early": _percent(early), f"{name}_ended_late": _percent(late)}


def _percent(marks: Sequence[bool]) -> float:
    return 100.0 * sum(marks) / len(marks)


def _by_length(marks: Sequence[bool], actions: Sequence[list[str]]) -> dict[str, float]:
    """Number of actions -> share of such lines that are right; keys are text, as in JSON."""
    groups: dict[int, list[bool]] = defaultdict(list)
    for mark, right in zip(marks, actions, strict=True):
        groups[len(right)].append(mark)
    return {str(length): _percent(groups[length]) for length in sorted(groups)}


def make_table(runs: Sequence[dict[str, Any]]) -> str:
    """One line per kind, in Markdown: the mean over the seeds, and the lowest and the highest."""
    rows = ["| position | runs | parameters | updates | " + " | ".join(HEADINGS) + " |"]
    rows.append("|---|" + "---:|" * (3 + len(HEADINGS)))
    for name, group in _by_position(runs).items():
        steps = f"{round(statistics.fmean(run['steps'] for run in group)):,}"
        cells = [name, str(len(group)), f"{group[0]['parameters']:,}", steps]
        for key in SCORES:
            values = [run[key] for run in group]
            spread = f" ({min(values):.1f} - {max(values):.1f})" if len(values) > 1 else ""
            cells.append(f"{statistics.fmean(values):.1f}{spread}")
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n\nLines that are right, in percent: mean (lowest - highest).\n"


def _by_position(runs: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        groups.setdefault(run["position"], []).append(run)
    return groups


def draw(runs: Sequence[dict[str, Any]], cut: int, path: Path) -> None:
    """The share of right lines against the number of actions, with the range over the seeds."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(11, 5), layout="constrained", sharey=True)
    for axis, suffix, title in zip(
        axes, ("", "_told_the_end"), ("greedy search", "told the end"), strict=True
    ):
        for i, (name, group) in enumerate(_by_position(runs).items()):
            lines = []
            for run in group:
                parts = run["right_by_actions"]
                right = {**parts[f"validation{suffix}"], **parts[f"test{suffix}"]}
                lines.append(list(right.values()))
            lengths = [int(length) for length in right]
            columns = list(zip(*lines, strict=True))
            axis.plot(
                lengths, [statistics.fmean(one) for one in columns], "o-", ms=3, color=f"C{i}",
                label=name,
            )  # fmt: skip
            axis.fill_between(
                lengths, [min(one) for one in columns], [max(one) for one in columns],
                alpha=0.15, color=f"C{i}",
            )  # fmt: skip
        axis.axvline(cut + 0.5, color="gray", linestyle=":")
        axis.set(xlabel="actions of the command", ylim=(-2, 102), title=title)
    axes[0].set(ylabel="lines that are right, in percent")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    figure.suptitle(f"SCAN, trained on up to {cut} actions (dotted line)")
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def write(path: Path, text: str) -> None:
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
