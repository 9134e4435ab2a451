"""Writes a recipe for people to read: what differs from the defaults, and what each line means."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import tomli_w

from keras_attn.system.whole_file import whole_file
from keras_attn.training.recipe.recipe import SECTIONS, TEXTS, Recipe
from keras_attn.training.recipe.recipe_section import RecipeSection


def write_commented(recipe: Recipe, path: str | os.PathLike, notes: Sequence[str] = ()) -> None:
    """Writes the fields of a recipe that differ from the defaults, each with its description.

    Args:
        recipe: Recipe.
        path: path. The file, which is written atomically.
        notes: sequence of str. Lines for the comment at its top.
    """
    lines = [f"# {note}" for note in notes]
    lines += [
        "# Fields that are left out have their defaults; `keras-attn train` writes all fields.",
        "",
    ]
    texts = [name for name in TEXTS if name != "name"]  # a recipe is named after its file
    lines += [_assign(name, getattr(recipe, name)) for name in texts if getattr(recipe, name)]
    for name in SECTIONS:
        lines += _section(name, getattr(recipe, name))
    with whole_file(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _section(name: str, section: RecipeSection) -> list[str]:
    assignments = []
    table = section.to_table()
    for field in dataclasses.fields(section):
        value = table.get(field.name)
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        if value is not None and value != default and not isinstance(value, dict):
            assignments.append((_assign(field.name, value), field.metadata["description"]))
    tables = {
        field.name: getattr(section, field.name)
        for field in dataclasses.fields(section)
        if isinstance(getattr(section, field.name), dict) and getattr(section, field.name)
    }
    if not assignments and not tables:
        return []
    width = max((len(text) for text, _ in assignments), default=0)
    lines = ["", f"[{name}]"]
    lines += [f"{text:{width}}  # {description}" for text, description in assignments]
    for key, values in tables.items():
        lines += ["", f"[{name}.{key}]"]
        lines += [_assign(entry, value) for entry, value in values.items()]
    return lines


def _assign(name: str, value: Any) -> str:
    return tomli_w.dumps({name: value}).strip()
