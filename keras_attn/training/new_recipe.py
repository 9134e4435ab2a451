"""Makes a recipe that suits a corpus and the time available."""

import dataclasses
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from keras_attn.data import CleaningReport, Corpus, clean_pairs, hold_out
from keras_attn.system.whole_file import whole_file
from keras_attn.training.choose_recipe import choose_recipe
from keras_attn.training.recipe.recipe import Recipe
from keras_attn.training.recipe.tokenizer_recipe import TokenizerRecipe
from keras_attn.training.recipe.write_commented import write_commented

# Held out for validation and test: a tenth of the pairs each, and at most this many.
_MOST_HELD_OUT = 1000
_FEWEST_PAIRS = 50
_FEW_PAIRS = 2000
_ADVICE = (
    "few pairs: a model that starts from nothing will learn little from them. If there is a "
    "trained model of these languages, start from it (`model.start_from` in docs/own_data.md)"
)


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
            f"vocabulary: {_describe(self.recipe.tokenizer)}",
            f"model: {layers}, {widths}, dropout {model['dropout']:g}",
            f"cost: {self.recipe.cost}",
            f"recipe: {self.path} (at most {training.max_minutes:g} minutes)",
            *([_ADVICE] if self.sizes["train"] < _FEW_PAIRS else []),
        ]


def _describe(tokenizer: TokenizerRecipe) -> str:
    """The sizes of the vocabularies, in words."""
    sizes = f"{tokenizer.vocabulary_size:,}"
    if tokenizer.shared:
        return sizes
    if tokenizer.target_vocabulary_size is None:
        return f"{sizes} for each side"
    return f"{sizes} for the source, {tokenizer.target_vocabulary_size:,} for the target"


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
        recipe, seconds, passes = choose_recipe(splits, report, data, minutes, show)
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
