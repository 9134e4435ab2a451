"""The base of a recipe's sections: fields with a type, a range and a description."""

import copy
import dataclasses
import math
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

from keras_attn.system.did_you_mean import did_you_mean

NONE = "none"  # stands for None in fields that may be None: TOML has no value for it


def described(
    default: Any,
    description: str,
    *,
    choices: tuple[Any, ...] | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
) -> Any:
    """Makes a dataclass field with a description and its allowed values.

    Args:
        default: the default value; a dict or a list is copied for every instance.
        description: str. One sentence, with the unit.
        choices: the values allowed, or None.
        minimum: the lowest value allowed, or None.
        maximum: the highest value allowed, or None.

    Returns:
        A dataclass field.
    """
    metadata = {
        "description": description,
        "choices": choices,
        "minimum": minimum,
        "maximum": maximum,
    }
    if isinstance(default, dict | list):
        return dataclasses.field(default_factory=lambda: copy.copy(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def hint_at(name: str, valid_names: Iterable[str]) -> str:
    """Writes the hint for an error about an unknown name.

    Args:
        name: str. The unknown name.
        valid_names: iterable of str. The valid names.

    Returns:
        " Did you mean 'a' or 'b'?", or, if no name is near, " Valid: ...".

    Example:

    >>> hint_at("zzz", ["max_steps", "seed"])
    ' Valid: max_steps, seed.'
    """
    valid_names = list(valid_names)
    return did_you_mean(name, valid_names, limit=3) or f" Valid: {', '.join(valid_names)}."


@dataclasses.dataclass(frozen=True)
class RecipeSection:
    """The base class of the sections of a recipe; checks its fields when it is made.

    Raises:
        ValueError: if a field has the wrong type or is out of range.
    """

    section_name: ClassVar[str] = ""

    def __post_init__(self) -> None:
        annotations = typing.get_type_hints(type(self))
        for field in dataclasses.fields(self):
            value = _checked(
                f"{self.section_name}.{field.name}",
                getattr(self, field.name),
                annotations[field.name],
                field.metadata,
            )
            object.__setattr__(self, field.name, value)

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Self:
        """Makes the section from a TOML table.

        Args:
            table: mapping of field name to value; missing fields get their defaults. "none" is
                None in a field that may be None, unless the field has a choice of that name.

        Returns:
            The section.

        Raises:
            ValueError: if a key is unknown (the nearest is named), or a value is invalid.
        """
        if not isinstance(table, Mapping):
            raise ValueError(
                f"`{cls.section_name}` must be a table ([{cls.section_name}]). Received: {table!r}"
            )
        names = [field.name for field in dataclasses.fields(cls)]
        for key in table:
            if key not in names:
                raise ValueError(
                    f"`{cls.section_name}.{key}` is not a field of a recipe.{hint_at(key, names)}"
                )
        return cls(
            **{key: None if cls.means_none(key, value) else value for key, value in table.items()}
        )

    def to_table(self) -> dict[str, Any]:
        """Returns the fields as a TOML table.

        A field that is None is left out, or is "none" if its default is something else.
        """
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        with_word = self._fields_with_word()
        return {
            name: NONE if value is None else value
            for name, value in values.items()
            if value is not None or name in with_word
        }

    @classmethod
    def _fields_with_word(cls) -> list[str]:
        """The fields that may be None and have another default: TOML has no value for None."""
        return [
            field.name
            for field in dataclasses.fields(cls)
            if field.default is not None and cls.accepts(field.name, None)
        ]

    @classmethod
    def means_none(cls, field_name: str, value: Any) -> bool:
        """Whether `value` is the word "none" in a field that may be None.

        Not in a field with a choice of that name, such as sacreBLEU's tokenizer "none".
        """
        if not (isinstance(value, str) and value.lower() == NONE):
            return False
        choices = cls.__dataclass_fields__[field_name].metadata["choices"] or ()
        return NONE not in choices and cls.accepts(field_name, None)

    @classmethod
    def accepts(cls, field_name: str, value: Any) -> bool:
        """Whether `value` is of the type of the field."""
        return _is_of_type(value, typing.get_type_hints(cls)[field_name])


def _options(annotation: Any) -> tuple[Any, ...]:
    """The members of a union, or the annotation alone."""
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        return typing.get_args(annotation)
    return (annotation,)


def _is_of_type(value: Any, annotation: Any) -> bool:
    """Whether a value fits: an int fits a float, a bool fits nothing but a bool."""
    for option in _options(annotation):
        origin = typing.get_origin(option) or option
        if origin is bool or isinstance(value, bool):
            if origin is bool and isinstance(value, bool):
                return True
        elif origin is float:
            if isinstance(value, int | float):
                return True
        elif origin is list:
            (item,) = typing.get_args(option)
            if isinstance(value, list | tuple) and all(_is_of_type(one, item) for one in value):
                return True
        elif isinstance(value, origin):
            return True
    return False


def _described_type(annotation: Any) -> str:
    """The type in words: `int | None` -> "a whole number or none"."""
    words = {
        int: "a whole number",
        float: "a number",
        str: "a string",
        bool: "true or false",
        type(None): "none",
        dict: 'a table, such as {num_layers = 3} or {"num_layers": 3}',
        list: "a list of strings",
    }
    return " or ".join(
        words.get(typing.get_origin(option) or option, str(option))
        for option in _options(annotation)
    )


def _with_lists(value: Any) -> Any:
    """The value with lists for tuples, as TOML gives it back."""
    if isinstance(value, list | tuple):
        return [_with_lists(one) for one in value]
    if isinstance(value, dict):
        return {key: _with_lists(one) for key, one in value.items()}
    return value


def _checked(name: str, value: Any, annotation: Any, metadata: Mapping[str, Any]) -> Any:
    """Checks one field's value; an int for a float field becomes a float."""
    if not _is_of_type(value, annotation):
        raise ValueError(
            f"`{name}` must be {_described_type(annotation)} ({metadata['description']}). "
            f"Received: {value!r}"
        )
    if value is None:
        return None
    if isinstance(value, float) and not math.isfinite(value):
        hint = " Set it to none." if _is_of_type(None, annotation) else ""
        raise ValueError(f"`{name}` must be finite. Received: {value!r}.{hint}")
    value = _with_lists(value)
    if isinstance(value, int) and not isinstance(value, bool) and int not in _options(annotation):
        value = float(value)
    choices = metadata["choices"]
    if choices and value not in choices:
        hint = hint_at(str(value), [str(choice) for choice in choices])
        raise ValueError(
            f"`{name}` must be one of {', '.join(map(str, choices))}. Received: {value!r}.{hint}"
        )
    minimum, maximum = metadata["minimum"], metadata["maximum"]
    if minimum is not None and value < minimum:
        raise ValueError(f"`{name}` must be at least {minimum}. Received: {value!r}")
    if maximum is not None and value > maximum:
        raise ValueError(f"`{name}` must be at most {maximum}. Received: {value!r}")
    return value
