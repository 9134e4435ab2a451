"""The section `[data]` of a recipe: where the sentence pairs come from."""

import dataclasses
import glob
import os
from typing import Any, ClassVar, Self

from keras_attn.data import Augmentation
from keras_attn.training.recipe.recipe_section import RecipeSection, described, hint_at

DATA_KINDS = ("phrasebook", "text_directory", "text_pair", "tsv", "tfds")


@dataclasses.dataclass(frozen=True)
class DataRecipe(RecipeSection):
    """The corpus, its splits, its languages, and the longest sentences.

    The values of `train`, `validation` and `test` depend on `kind`: the name of a split
    (`phrasebook`, `tfds`, and `text_directory`, whose files are `DIRECTORY/SPLIT.LANGUAGE`), a file
    or a pattern such as `"train/*.tsv"` (`tsv`), or a list of two files, source then target
    (`text_pair`).

    Example:

    >>> DataRecipe(kind="text_directory", directory="corpus", validation="val").train
    'train'
    """

    section_name: ClassVar[str] = "data"

    kind: str = described("phrasebook", "where the pairs come from", choices=DATA_KINDS)
    directory: str | None = described(
        None, "the directory of the files; for tfds, where TFDS keeps its data"
    )
    tfds_name: str | None = described(None, "the TFDS name, such as wmt14_translate/de-en")
    source_language: str = described("en", "the code of the source language")
    target_language: str = described("de", "the code of the target language")
    train: str | list[str] = described("train", "the training split or file(s)")
    validation: str | list[str] = described("validation", "the validation split or file(s)")
    test: str | list[str] | None = described(
        None, "the test split or file(s), scored once after training; none: no test"
    )
    group_test_references: bool = described(
        False, "score each distinct test source once, against all its references together"
    )
    source_column: int = described(0, "tsv: the column of the source, counted from 0", minimum=0)
    target_column: int = described(1, "tsv: the column of the target, counted from 0", minimum=0)
    tag_sources: bool = described(
        False, 'tsv: put the name of the file before its sources, as in "<fre> abby"'
    )
    augmentation: dict[str, Any] = described(
        {}, "training pairs to add, such as { upper_case = 0.03, names = 0.05, words = 2000 }"
    )
    num_pairs: int | None = described(
        None,
        "use only this many pairs of the training split (phrasebook: make this many)",
        minimum=1,
    )
    seed: int = described(
        0,
        "the seed of pairs that are made: the phrasebook, and data.augmentation; runs that differ "
        "only in training.seed have the same pairs, and the same tokenizers",
        minimum=0,
    )
    max_source_tokens: int = described(
        128,
        "longest source, in tokens; training leaves out longer ones, translation truncates them",
        minimum=2,
    )
    max_target_tokens: int = described(
        128, "longest target, in tokens; pairs with a longer one are left out", minimum=2
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kind == "text_directory" and self.directory is None:
            raise ValueError(
                "`data.directory` must be given for data.kind = 'text_directory': the directory "
                "of the SPLIT.LANGUAGE files. Received: none. Add `--set data.directory=DIR`."
            )
        if self.kind == "tfds" and self.tfds_name is None:
            raise ValueError(
                "`data.tfds_name` must be given for data.kind = 'tfds', such as "
                "wmt14_translate/de-en. Received: none. Add `--set data.tfds_name=NAME`"
            )
        self.make_augmentation()
        for split in ("train", "validation", "test"):
            self._check_split(split, getattr(self, split))

    def make_augmentation(self) -> Augmentation:
        """The pairs to add.

        Raises:
            ValueError: if a kind is unknown, or its number is below zero.
        """
        known = [field.name for field in dataclasses.fields(Augmentation)]
        for name in self.augmentation:
            if name not in known:
                raise ValueError(
                    f"`data.augmentation.{name}` is not a kind of augmentation."
                    f"{hint_at(name, known)}"
                )
        try:
            return Augmentation(**self.augmentation)
        except ValueError as error:
            raise ValueError(str(error).replace("`", "`data.augmentation.", 1)) from error

    def with_absolute_paths(self) -> Self:
        """Returns the section with absolute paths, which work from any working directory."""
        if self.kind == "phrasebook":
            return self
        if self.directory is not None:
            return dataclasses.replace(self, directory=_absolute(self.directory))
        if self.kind not in ("text_pair", "tsv"):
            return self
        return dataclasses.replace(
            self,
            train=self._with_absolute_path(self.train),
            validation=self._with_absolute_path(self.validation),
            test=None if self.test is None else self._with_absolute_path(self.test),
        )

    def _with_absolute_path(self, split: str | list[str]) -> str | list[str]:
        """The absolute path of a file or a pattern, or of both files of a pair."""
        if isinstance(split, list):
            return [_absolute(one) for one in split]
        return _absolute_pattern(split) if self.kind == "tsv" else _absolute(split)

    def _check_split(self, split: str, value: str | list[str] | None) -> None:
        if self.kind == "text_pair":
            if value is not None and (isinstance(value, str) or len(value) != 2):
                raise ValueError(
                    f"`data.{split}` must be a list of two files, source then target, for "
                    f"data.kind = 'text_pair'. Received: {value!r}"
                )
        elif isinstance(value, list):
            raise ValueError(
                f"`data.{split}` must be a string for data.kind = {self.kind!r}; a list of two "
                f"files is for 'text_pair'. Received: {value!r}"
            )


def _absolute(name: str) -> str:
    """The absolute path of a file or directory; an address such as gs://bucket stays as it is."""
    return name if "://" in name else os.path.abspath(name)


def _absolute_pattern(name: str) -> str:
    """The same for a pattern: a "[" in the working directory is not part of the pattern."""
    if not glob.has_magic(name) or os.path.isfile(name):
        return _absolute(name)
    return os.path.normpath(os.path.join(glob.escape(os.getcwd()), name))
