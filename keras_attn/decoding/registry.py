"""Strategies by name and by configuration."""

import inspect
from typing import Any

from keras_attn.decoding.beam_search import BeamSearch
from keras_attn.decoding.greedy_search import GreedySearch
from keras_attn.decoding.random_sampling import RandomSampling
from keras_attn.decoding.search_strategy import SearchStrategy
from keras_attn.system.did_you_mean import did_you_mean

_ANY = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
STRATEGIES: dict[str, type[SearchStrategy]] = {
    "beam": BeamSearch,
    "greedy": GreedySearch,
    "sampling": RandomSampling,
    "BeamSearch": BeamSearch,
    "GreedySearch": GreedySearch,
    "RandomSampling": RandomSampling,
}


def get(identifier: str | dict[str, Any] | SearchStrategy) -> SearchStrategy:
    """Returns a search strategy.

    Args:
        identifier: a strategy, which is returned as it is; or a name, `"beam"`, `"greedy"`,
            `"sampling"` or the name of the class, for a strategy with its defaults; or what
            `serialize` returned, `{"class_name": ..., "config": {...}}`.

    Returns:
        `SearchStrategy`.

    Raises:
        ValueError: if the name or an argument in the configuration is not known.

    Example:
    >>> get("greedy")
    GreedySearch(min_length=0)
    >>> get({"class_name": "BeamSearch", "config": {"num_beams": 2}}).num_beams
    2
    """
    if isinstance(identifier, SearchStrategy):
        return identifier
    if isinstance(identifier, str):
        return _find(identifier)()
    if isinstance(identifier, dict) and isinstance(identifier.get("class_name"), str):
        strategy_class = _find(identifier["class_name"])
        config = identifier.get("config") or {}
        known = _argument_names(strategy_class)
        unknown = sorted(set(config) - set(known))
        if unknown:
            raise ValueError(
                f"`config` must hold arguments of {strategy_class.__name__} "
                f"({', '.join(known)}). Received: {', '.join(unknown)}."
            )
        return strategy_class.from_config(config)
    raise ValueError(
        "`identifier` must be a search strategy, a name or a dict with 'class_name' and 'config'. "
        f"Received: {identifier!r}."
    )


def serialize(strategy: SearchStrategy) -> dict[str, Any]:
    """Returns a description for JSON, which `get` turns into an equal strategy.

    Args:
        strategy: `SearchStrategy`.

    Returns:
        dict with `class_name` and `config`.

    Raises:
        ValueError: if another class has the same name, which `get` would return instead.

    Example:
    >>> serialize(get("greedy"))
    {'class_name': 'GreedySearch', 'config': {'min_length': 0}}
    """
    found, own = _find(type(strategy).__name__), type(strategy)
    # Not `is`: in a notebook, a cell that runs again defines the same class again.
    if (found.__module__, found.__qualname__) != (own.__module__, own.__qualname__):
        raise ValueError(
            "`strategy` must be of a class with a name of its own. Received: "
            f"{own.__module__}.{own.__qualname__}, named like {found.__module__}."
            f"{found.__qualname__}. Rename your class."
        )
    return {"class_name": own.__name__, "config": strategy.get_config()}


def _argument_names(strategy_class: type[SearchStrategy]) -> list[str]:
    """The constructor's arguments, and what its `**options` pass on to the classes below."""
    names: list[str] = []
    for base in strategy_class.__mro__:
        if "__init__" not in vars(base):
            continue
        _, *parameters = inspect.signature(vars(base)["__init__"]).parameters.values()  # self
        kinds = {one.name: one.kind for one in parameters}
        names += [name for name, kind in kinds.items() if kind not in _ANY and name not in names]
        if inspect.Parameter.VAR_KEYWORD not in kinds.values():
            break
    return names


def _find(name: str) -> type[SearchStrategy]:
    known = {**_subclasses(SearchStrategy), **STRATEGIES}  # type: ignore[type-abstract]
    if name not in known:
        raise ValueError(
            f"`identifier` must be one of {', '.join(map(repr, STRATEGIES))}, or a strategy of "
            f"your own whose module is imported. Received: {name!r}.{did_you_mean(name, known)}"
        )
    return known[name]


def _subclasses(base: type[SearchStrategy]) -> dict[str, type[SearchStrategy]]:
    """Every imported strategy, by the name of its class."""
    found: dict[str, type[SearchStrategy]] = {}
    for subclass in base.__subclasses__():
        found |= {subclass.__name__: subclass, **_subclasses(subclass)}
    return {name: each for name, each in found.items() if not inspect.isabstract(each)}
