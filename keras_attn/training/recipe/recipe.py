"""A recipe: everything that defines a training run, in one object and one TOML file."""

import dataclasses
import importlib.resources
import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import tomli_w

from keras_attn.evaluation import default_bleu_tokenizer
from keras_attn.system.whole_file import whole_file
from keras_attn.training.recipe.data_recipe import DataRecipe
from keras_attn.training.recipe.decoding_recipe import DecodingRecipe
from keras_attn.training.recipe.model_recipe import ModelRecipe
from keras_attn.training.recipe.recipe_section import NONE, RecipeSection, hint_at
from keras_attn.training.recipe.tokenizer_recipe import TokenizerRecipe
from keras_attn.training.recipe.training_recipe import TrainingRecipe

_LAST_LINE = "# Every field that is set stands above this line.\n"
SECTIONS: dict[str, type[RecipeSection]] = {
    "data": DataRecipe,
    "tokenizer": TokenizerRecipe,
    "model": ModelRecipe,
    "training": TrainingRecipe,
    "decoding": DecodingRecipe,
}
TEXTS = ("name", "description", "cost", "expected_score")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A whole training run as data: corpus, tokenizer, model, training and decoding.

    Args:
        name: str. The name of the recipe.
        description: str. What it trains, in one sentence.
        cost: str. The machine and the time.
        expected_score: str. The score to expect, and whether it was measured or published.
        data: DataRecipe.
        tokenizer: TokenizerRecipe.
        model: ModelRecipe.
        training: TrainingRecipe.
        decoding: DecodingRecipe.

    Example:

    >>> recipe = Recipe.named("phrasebook_tiny").override({"training.max_steps": "100"})
    >>> recipe.training.max_steps, recipe.data.kind
    (100, 'phrasebook')
    """

    name: str
    training: TrainingRecipe
    description: str = ""
    cost: str = ""
    expected_score: str = ""
    data: DataRecipe = dataclasses.field(default_factory=DataRecipe)
    tokenizer: TokenizerRecipe = dataclasses.field(default_factory=TokenizerRecipe)
    model: ModelRecipe = dataclasses.field(default_factory=ModelRecipe)
    decoding: DecodingRecipe = dataclasses.field(default_factory=DecodingRecipe)

    @property
    def bleu_tokenizer(self) -> str:
        """sacreBLEU's tokenizer: that of `[training]`, or that of the target language."""
        chosen = self.training.bleu_tokenizer
        return chosen or default_bleu_tokenizer(self.data.target_language)

    @classmethod
    def from_table(cls, table: Mapping[str, Any], name: str = "recipe") -> Self:
        """Makes a recipe from nested tables, such as those of a TOML file.

        Args:
            table: mapping. The texts (`name`, `description`, ...) and the sections.
            name: str. The name if the table has none.

        Returns:
            The recipe.

        Raises:
            ValueError: if a key or a section is unknown, or a value is invalid.
        """
        for key, value in table.items():
            if key not in SECTIONS and key not in TEXTS:
                raise ValueError(
                    f"`{key}` is neither a section nor a text of a recipe."
                    f"{hint_at(key, [*SECTIONS, *TEXTS])}"
                )
            if key in TEXTS and not isinstance(value, str):
                raise ValueError(f"`{key}` must be a string. Received: {value!r}")
        values: dict[str, Any] = {"name": name}
        values.update({key: table[key] for key in TEXTS if key in table})
        for key, section in SECTIONS.items():
            values[key] = section.from_table(table.get(key, {}))
        return cls(**values)

    @classmethod
    def from_toml(cls, path: str | os.PathLike) -> Self:
        """Reads a recipe from a TOML file.

        Args:
            path: str or path. The file; its stem is the recipe's name if it has none.

        Returns:
            The recipe.

        Raises:
            ValueError: if there is no such file, it is not TOML, or its contents are not a recipe.
        """
        path = Path(path)
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
            return cls.from_table(table, name=path.stem)
        except OSError as error:
            raise ValueError(
                f"`recipe` must be a file that can be read. Received: {str(path)!r} ({error})"
            ) from error
        except UnicodeDecodeError as error:
            raise ValueError(f"`recipe` must be UTF-8 text. Received: {str(path)!r}") from error
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    @classmethod
    def named(cls, name: str | os.PathLike) -> Self:
        """Returns a built-in recipe, or the recipe in a `.toml` file.

        Args:
            name: str or path. A name of `list_recipes()`, or the path of a `.toml` file.

        Returns:
            The recipe.

        Raises:
            ValueError: if there is no such recipe; the nearest names are given.

        Example:

        >>> Recipe.named("wmt14_en_de_base").tokenizer.vocabulary_size
        37000
        """
        if str(name).endswith(".toml"):
            return cls.from_toml(name)
        names = built_in_recipe_names()
        if str(name) not in names:
            raise ValueError(
                "`recipe` must be a built-in recipe or the path of a .toml file. "
                f"Received: {str(name)!r}.{hint_at(str(name), names)}"
            )
        folder = importlib.resources.files("keras_attn") / "recipes"
        text = (folder / f"{name}.toml").read_text(encoding="utf-8")
        return cls.from_table(tomllib.loads(text), name=str(name))

    @classmethod
    def from_run(cls, run: str | os.PathLike) -> Self:
        """Reads the recipe that training wrote into its run directory.

        Args:
            run: path. The run directory.

        Returns:
            The recipe.

        Raises:
            ValueError: as `from_toml`, or if the end of the file is missing: the rest may be a
                valid recipe of a different run.
        """
        path = Path(run) / "recipe.toml"
        recipe = cls.from_toml(path)
        if not path.read_text(encoding="utf-8").endswith(_LAST_LINE):
            raise ValueError(
                f"`{path}` must be complete. Received: a file without its last line, "
                f"{_LAST_LINE.strip()!r}. Name the recipe that the run was started with"
            )
        return recipe

    def to_table(self) -> dict[str, Any]:
        """Returns the recipe as nested tables; a field that is None has its default, or "none"."""
        texts = {key: getattr(self, key) for key in TEXTS if getattr(self, key)}
        return texts | {key: getattr(self, key).to_table() for key in SECTIONS}

    def to_toml(self, path: str | os.PathLike) -> None:
        """Writes the recipe with all fields to a TOML file, which is replaced atomically.

        Args:
            path: str or path. The file to write.
        """
        with whole_file(path) as temporary:
            temporary.write_text(tomli_w.dumps(self.to_table()) + _LAST_LINE, encoding="utf-8")

    def override(self, values: Mapping[str, Any]) -> Self:
        """Returns a copy with some fields changed.

        Args:
            values: mapping of `"section.field"` (or `"model.overrides.num_layers"`,
                `"decoding.config.num_beams"`) to a value. A string is parsed as TOML if
                possible, or, for a table or a list, as JSON; otherwise it stays a string. `"none"`
                clears a field that may be empty, unless it has a choice of that name; None always
                clears it.

        Returns:
            The new recipe.

        Raises:
            ValueError: if a key is unknown (the nearest is named), or a value is invalid.

        Example:

        >>> recipe = Recipe.named("phrasebook_tiny")
        >>> recipe.override({"model.overrides.num_layers": "3"}).model.overrides["num_layers"]
        3
        """
        table = self.to_table()
        for key, value in values.items():
            section_name, _, rest = key.partition(".")
            field_name, _, entry = rest.partition(".")
            section = SECTIONS.get(section_name)
            fields = _field_names()
            if section is None or f"{section_name}.{field_name}" not in fields:
                near = [name for name in fields if name.endswith(f".{key}")]
                hint = f" Did you mean {near[0]!r}?" if near else hint_at(key, fields)
                raise ValueError(f"`{key}` is not a field of a recipe.{hint}")
            if entry:
                _set_entry(table, key, section_name, field_name, entry, _parsed(value))
                continue
            parsed = _parsed(value)
            if isinstance(value, str) and not section.accepts(field_name, parsed):
                parsed = None if value.lower() == NONE else value  # text, such as the path 2024
            if parsed is None or section.means_none(field_name, parsed):
                table[section_name][field_name] = None
                _refuse_emptying(section, key, field_name)
            else:
                table[section_name][field_name] = parsed
        return type(self).from_table(table, name=self.name)


def built_in_recipe_names() -> list[str]:
    """Lists the names of the recipes that come with the package, sorted.

    Example:

    >>> "phrasebook_tiny" in built_in_recipe_names()
    True
    """
    folder = importlib.resources.files("keras_attn") / "recipes"
    names = [entry.name for entry in folder.iterdir()]
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


def _field_names() -> list[str]:
    """The names `section.field` of all fields."""
    return [
        f"{name}.{field.name}"
        for name, section in SECTIONS.items()
        for field in dataclasses.fields(section)
    ]


def _parsed(value: Any) -> Any:
    """Parses a string as a TOML value if possible; returns anything else unchanged."""
    if not isinstance(value, str):
        return value
    try:
        parsed = tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError:
        return _parsed_json(value)
    return parsed["value"] if set(parsed) == {"value"} else value


def _parsed_json(value: str) -> Any:
    """Parses a table or a list in JSON if possible; returns any other string unchanged."""
    if not value.startswith(("{", "[")):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def _set_entry(
    table: dict[str, Any], key: str, section_name: str, field_name: str, entry: str, value: Any
) -> None:
    """Sets one entry of a field that is itself a table."""
    entries = table[section_name].get(field_name)
    if not isinstance(entries, dict):
        raise ValueError(
            f"`{section_name}.{field_name}` must be a table to have entries. Received: {key!r}, "
            f"but `{section_name}.{field_name}` is not a table. Leave out {entry!r}"
        )
    table[section_name][field_name] = {**entries, entry: value}


def _refuse_emptying(section: type[RecipeSection], key: str, field_name: str) -> None:
    """Refuses `none` for a field that must have a value."""
    if not section.accepts(field_name, None):
        raise ValueError(f"`{key}` must have a value. Received: none")
