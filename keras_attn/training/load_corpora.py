"""Reads the corpora that a recipe names."""

import dataclasses
import glob
from pathlib import Path

from keras_attn.data import (
    Corpus,
    augment_pairs,
    load_tfds,
    phrasebook,
    read_directory,
    read_text_pair,
    read_tsv_files,
)
from keras_attn.training.recipe.data_recipe import DataRecipe


@dataclasses.dataclass(frozen=True)
class Corpora:
    """The corpora of one training run.

    Args:
        train: Corpus. The training pairs.
        validation: Corpus. The pairs that decide which checkpoint is the best.
        test: Corpus or None. The pairs that are scored once at the end.
    """

    train: Corpus
    validation: Corpus
    test: Corpus | None = None


def load_corpora(recipe: DataRecipe) -> Corpora:
    """Reads the training, validation and test pairs of a recipe.

    Args:
        recipe: DataRecipe. It names the files, and has the seed of pairs that are made.

    Returns:
        Corpora.

    Raises:
        ValueError: if a file is missing or invalid, or a split has no pairs.

    Example:

    >>> len(load_corpora(DataRecipe(num_pairs=100)).train)
    100
    """
    if recipe.kind in ("text_directory", "text_pair", "tsv") and recipe.directory is not None:
        if not Path(recipe.directory).is_dir():
            raise ValueError(
                "`data.directory` must be a directory that exists; a relative path starts at the "
                f"working directory {str(Path.cwd())!r}. Received: {recipe.directory!r}. "
                "Set it with `--set data.directory=DIR`."
            )
    train = _load_split(recipe, recipe.train, recipe.num_pairs)
    train = augment_pairs(train, recipe.make_augmentation(), recipe.seed)
    validation = _load_split(recipe, recipe.validation)
    test = None if recipe.test is None else _load_split(recipe, recipe.test)
    for split, corpus in (("train", train), ("validation", validation), ("test", test)):
        if corpus is not None and len(corpus) == 0:
            raise ValueError(
                f"`data.{split}` must contain at least one pair. Received: no pairs in "
                f"{corpus.name!r}. Name another split or file"
            )
    return Corpora(train, validation, test)


def _load_split(recipe: DataRecipe, split: str | list[str], num_pairs: int | None = None) -> Corpus:
    """Reads one split, cut to its first pairs if asked."""
    languages = (recipe.source_language, recipe.target_language)
    directory = Path(recipe.directory) if recipe.directory is not None else Path()
    if isinstance(split, list):  # only with kind "text_pair", as DataRecipe checks
        corpus = read_text_pair(directory / split[0], directory / split[1])
    elif recipe.kind == "phrasebook":
        return phrasebook(split, num_pairs=num_pairs, seed=recipe.seed)
    elif recipe.kind == "tfds":
        name = recipe.tfds_name or ""
        corpus = load_tfds(name, split, *languages, data_dir=recipe.directory)
    elif recipe.kind == "text_directory":
        corpus = read_directory(directory, split, *languages)
    else:
        columns = (recipe.source_column, recipe.target_column)
        corpus = read_tsv_files(_matching(directory, split), *columns, recipe.tag_sources)
    return corpus if num_pairs is None else corpus.take(num_pairs)


def _matching(directory: Path, pattern: str) -> list[Path]:
    """The files that a pattern such as "train/*.tsv" matches, in the order of their names."""
    if not glob.has_magic(pattern) or (directory / pattern).is_file():
        return [directory / pattern]
    names = sorted(glob.glob(pattern, root_dir=directory))
    if not names:
        raise ValueError(
            f"A pattern in `data` must match at least one file. Received: {pattern!r}, which "
            f"matches none in {str(directory)!r}"
        )
    return [directory / name for name in names]
