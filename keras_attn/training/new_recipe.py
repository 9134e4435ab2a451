"""Makes a recipe that suits a corpus and the time available."""

import dataclasses
import math
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from keras_attn.data import CleaningReport, Corpus, clean_pairs, hold_out
from keras_attn.data.sentencepiece_tokenizer import VocabularySizeError
from keras_attn.system.whole_file import whole_file
from keras_attn.training.recipe.recipe import Recipe
from keras_attn.training.recipe.suggest_recipe import (
    find_rule,
    learns_enough,
    smaller_rule,
    suggest_recipe,
)
from keras_attn.training.recipe.write_commented import write_commented
from keras_attn.training.trainer import train

_TIMED_STEPS = 10
_REAL_SHARE = 0.85  # of the positions of a batch hold a token
# Held out for validation and test: a tenth of the pairs each, and at most this many.
_MOST_HELD_OUT = 1000
_FEWEST_PAIRS = 50
_FEWEST_UPDATES = 1500  # however few pairs there are


@dataclasses.dataclass(frozen=True)
class NewRecipe:
    """What `new_recipe` found and chose.

    Args:
        path: Path. The file of the recipe.
        recipe: Recipe. Its contents.
        report: CleaningReport. What was left out of the corpus.
        sizes: dict. The number of pairs in each split.
        seconds_per_step: float. The time of an update on this machine, without compilation.
        passes: float. Passes over the pairs that fit into the time.

    Example:

    >>> [field.name for field in dataclasses.fields(NewRecipe)][:2]
    ['path', 'recipe']
    """

    path: Path
    recipe: Recipe
    report: CleaningReport
    sizes: dict[str, int]
    seconds_per_step: float
    passes: float

    def lines(self) -> list[str]:
        """Returns one readable line for each fact."""
        training, model = self.recipe.training, self.recipe.model.overrides
        splits = ", ".join(f"{count:,} {name}" for name, count in self.sizes.items())
        layers = f"{model['num_layers']} + {model['num_decoder_layers']} layers"
        widths = f"{model['hidden_dim']} / {model['intermediate_dim']}"
        return [
            *self.report.lines(),
            f"splits: {splits}",
            f"vocabulary: {self.recipe.tokenizer.vocabulary_size:,}"
            f"{'' if self.recipe.tokenizer.shared else ' for each side'}",
            f"model: {layers}, {widths}, dropout {model['dropout']:g}",
            f"cost: {self.recipe.cost}",
            f"recipe: {self.path} (at most {training.max_minutes:g} minutes)",
        ]


def new_recipe(
    corpus: Corpus,
    path: str | os.PathLike,
    minutes: float = 60.0,
    seed: int = 0,
    show: Callable[[str], None] = lambda line: None,
) -> NewRecipe:
    """Cleans and splits a corpus, chooses sizes, times ten updates, and writes a commented recipe.

    The pairs are written to a directory beside the recipe, `NAME_data` for `NAME.toml`, as text
    files `train.source`, `train.target` and so on.

    Args:
        corpus: Corpus. The pairs.
        path: path. The recipe to write; it and its directory must not exist.
        minutes: float. How long training may take.
        seed: int. The seed of the split.
        show: function of one line. Where to show progress.

    Returns:
        NewRecipe.

    Raises:
        ValueError: if the recipe or its directory exists, or too few good pairs are left.

    Example:

    >>> from keras_attn.data import phrasebook
    >>> new_recipe(phrasebook("train", num_pairs=90), "recipe.json")
    Traceback (most recent call last):
    ValueError: `path` must end in .toml. Received: recipe.json
    """
    path = Path(path)
    directory = path.with_name(f"{path.stem}_data")
    _check_paths(path, directory)
    if not 0 < minutes < math.inf:
        raise ValueError(
            f"`minutes` must be finite and greater than zero. Received: minutes={minutes}"
        )
    languages = (corpus.source_language or "source", corpus.target_language or "target")
    if languages[0] == languages[1]:  # the files of the two sides need different names
        languages = ("source", "target")
    corpus = dataclasses.replace(corpus, source_language=languages[0], target_language=languages[1])
    show(f"looking at {len(corpus):,} pairs")
    cleaned, report = clean_pairs(corpus)
    if len(cleaned) < _FEWEST_PAIRS:
        raise ValueError(
            f"`corpus` must hold at least {_FEWEST_PAIRS} good pairs. Received: {report.kept:,} of "
            f"{report.pairs:,} ({'; '.join(report.lines()[1:]) or 'nothing left out'})."
        )
    held_out = min(_MOST_HELD_OUT, len(cleaned) // 10)
    splits = dict(
        zip(
            ("train", "validation", "test"),
            hold_out(cleaned, held_out, held_out, seed),
            strict=True,
        )
    )
    data = {
        "kind": "text_directory",
        "directory": str(directory),
        "source_language": corpus.source_language,
        "target_language": corpus.target_language,
        "train": "train",
        "validation": "validation",
        "test": "test",
        "group_test_references": True,
    }
    try:
        directory.mkdir()  # before what removes it after an error, so only ours is removed
    except FileExistsError as error:
        raise _already_exists(directory, directory) from error
    try:
        _write_splits(splits, directory)
        recipe, seconds, passes = _choose(splits, report, data, minutes, show)
        recipe = dataclasses.replace(
            recipe,
            name=path.stem,
            description=f"{report.kept:,} pairs: a recipe by keras-attn new",
            expected_score="not measured yet",
        )
        write_commented(recipe, path, report.lines())
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    sizes = {name: len(split) for name, split in splits.items()}
    return NewRecipe(path, recipe, report, sizes, seconds, passes)


def _check_paths(path: Path, directory: Path) -> None:
    if path.suffix != ".toml":
        raise ValueError(f"`path` must end in .toml. Received: {path}")
    for one in (path, directory):
        if one.exists():
            raise _already_exists(one, directory)
    if not path.parent.is_dir():
        raise ValueError(f"`path` must be in a directory that exists. Received: {path}")


def _already_exists(one: Path, directory: Path) -> ValueError:
    return ValueError(f"`path` and {directory} must be new. Received: {one}, which exists.")


def _write_splits(splits: dict[str, Corpus], directory: Path) -> None:
    for name, split in splits.items():
        sides = {split.source_language: split.sources, split.target_language: split.targets}
        for language, texts in sides.items():
            with whole_file(directory / f"{name}.{language}") as temporary:
                lines = (" ".join(text.splitlines()) + "\n" for text in texts)
                temporary.write_text("".join(lines), encoding="utf-8")


def _choose(
    splits: dict[str, Corpus],
    report: CleaningReport,
    data: dict[str, Any],
    minutes: float,
    show: Callable[[str], None],
) -> tuple[Recipe, float, float]:
    """The largest model of the rules that learns enough in the time, with its measured speed."""
    num_pairs = len(splits["train"])
    rule = find_rule(num_pairs)
    while True:
        recipe = suggest_recipe(rule, report, data, minutes, len(splits["validation"]))
        model = recipe.model.overrides
        sizes = f"{model['num_layers']} layers of width {model['hidden_dim']}"
        show(f"timing {_TIMED_STEPS} updates of {sizes}")
        recipe, seconds, steps_per_epoch = _timed(recipe)
        passes = 60.0 * minutes / seconds / steps_per_epoch
        smaller = smaller_rule(rule, num_pairs)
        if learns_enough(passes, rule) or smaller is None:
            break
        rule = smaller
    most = max(rule.passes, math.ceil(_FEWEST_UPDATES / steps_per_epoch))
    recipe = recipe.override({"training.max_epochs": float(most)})
    passes = min(passes, most)
    steps = round(passes * steps_per_epoch)
    needed = steps * seconds / 60.0
    cost = (
        f"{max(needed, 1.0):,.0f} minutes on the machine where this was written: {steps:,} updates "
        f"of {seconds:.2g} seconds, {passes:.1f} passes over the pairs"
    )
    return dataclasses.replace(recipe, cost=cost), seconds, passes


def _timed(recipe: Recipe) -> tuple[Recipe, float, int]:
    """Times ten updates, with another vocabulary if the text has too few pieces or characters.

    Returns:
        The recipe with the vocabulary used, seconds per update, and updates per epoch.
    """
    limits = {
        "training.max_steps": _TIMED_STEPS,
        "training.max_epochs": "none",
        "training.max_minutes": "none",
        "training.bleu_sentences": 0,
        "training.sample_sentences": 0,
        "training.average_last": 0,
        "training.num_buckets": 1,
        "data.test": "none",
    }
    with tempfile.TemporaryDirectory() as directory:
        while True:
            try:
                timed = recipe.override(limits)
                result = train(timed, Path(directory) / "run", console=Console(quiet=True))
                break
            except VocabularySizeError as error:
                size = recipe.tokenizer.vocabulary_size
                # Too many: with all pieces that a small text has, most would be seen only once.
                size = error.possible if error.possible > size else size // 2
                recipe = recipe.override({"tokenizer.vocabulary_size": size})
    report = result.report
    speed = report["target_tokens_per_second_without_compilation"]
    tokens_per_step = report["target_tokens"] / report["steps"]
    seconds = tokens_per_step / (speed or result.target_tokens_per_second)
    tokens_per_epoch = report["target_tokens"] / report["epochs"]
    # The timed run has one shape for all lengths, so its batches have more padding.
    steps_per_epoch = tokens_per_epoch / (_REAL_SHARE * recipe.training.global_batch_tokens)
    return recipe, seconds, math.ceil(steps_per_epoch)
