"""Every public object says what it is, what it takes, and shows an example that runs."""

from __future__ import annotations

import doctest
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy
import pytest

import keras_attn

PACKAGE = Path(str(keras_attn.__file__)).parent
ROOMS = [
    "keras_attn",
    "keras_attn.bulk",
    "keras_attn.data",
    "keras_attn.decoding",
    "keras_attn.evaluation",
    "keras_attn.interop",
    "keras_attn.layers",
    "keras_attn.models",
    "keras_attn.ops",
    "keras_attn.serving",
    "keras_attn.serving.monitoring",
    "keras_attn.serving.server",
    "keras_attn.training",
    "keras_attn.translator",
    "keras_attn.visualization",
]
DOCTEST_OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
NAMES_IN_EXAMPLES = {"keras_attn": keras_attn, "keras": keras, "np": numpy}


def module_name(path: Path) -> str:
    """The dotted name of a source file of the package."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
WITH_EXAMPLES = [name for name, path in SOURCES.items() if ">>>" in path.read_text("utf-8")]


def public_objects(room: str) -> Iterator[tuple[str, Any]]:
    """The classes and functions that a room lists and that are ours."""
    package = importlib.import_module(room)
    for name in package.__all__:
        value = getattr(package, name)
        if (inspect.isclass(value) or inspect.isroutine(value)) and value.__module__.startswith(
            "keras_attn"
        ):
            yield f"{room}.{name}", value


def argument_names(value: Any) -> list[str]:
    """What a caller passes, without `self` and without the catch-alls."""
    try:
        parameters = inspect.signature(value).parameters.values()
    except ValueError:  # a class without a signature of its own
        return []
    catch_all = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [one.name for one in parameters if one.name != "self" and one.kind not in catch_all]


def is_abstract_or_error(value: Any) -> bool:
    """Nobody makes an interface or an exception by hand, so neither needs an example."""
    return inspect.isclass(value) and (inspect.isabstract(value) or issubclass(value, Exception))


def test_every_module_opens_with_a_docstring() -> None:
    texts = {name: path.read_text(encoding="utf-8") for name, path in SOURCES.items()}
    assert [name for name, text in texts.items() if not re.match(r'(#.*\n)*r?"""\S', text)] == []


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_object_is_documented_with_its_arguments_and_an_example(room: str) -> None:
    complaints = []
    for name, value in public_objects(room):
        # Not inspect.getdoc: a docstring inherited from Keras does not describe our class.
        text = value.__doc__ or ""
        if not text.strip():
            complaints.append(f"{name}: no docstring")
            continue
        if is_abstract_or_error(value):
            continue
        if argument_names(value) and not re.search(r"^\s*(Args|Attributes):", text, re.MULTILINE):
            complaints.append(f"{name}: no `Args:`")
        if ">>>" not in text:
            complaints.append(f"{name}: no example")
    assert complaints == []


def inherited_text(value: object) -> str:
    """The docstrings of the ancestors that one refers to: "num_heads, ...: as in `Ancestor`"."""
    referred = set(re.findall(r"\.\.\.: as in `(\w+)`", getattr(value, "__doc__", "") or ""))
    ancestors = [one for one in getattr(value, "__mro__", ())[1:] if one.__name__ in referred]
    return "".join((one.__doc__ or "") + inherited_text(one) for one in ancestors)


@pytest.mark.parametrize("room", ROOMS)
def test_a_docstring_names_every_argument(room: str) -> None:
    complaints = []
    for name, value in public_objects(room):
        if is_abstract_or_error(value):
            continue
        text = (value.__doc__ or "") + inherited_text(value)
        complaints += [
            f"{name}: `{argument}` is not named"
            for argument in argument_names(value)
            if not re.search(rf"\b{argument}\b", text)
        ]
    assert complaints == []


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_method_of_ours_is_documented(room: str) -> None:
    complaints = []
    for name, value in public_objects(room):
        if not inspect.isclass(value):
            continue
        for method_name, method in vars(value).items():
            function = inspect.unwrap(getattr(method, "__func__", method))
            if method_name.startswith("_") or not inspect.isfunction(function):
                continue
            overrides = any(hasattr(base, method_name) for base in value.__mro__[1:])
            if not overrides and not (function.__doc__ or "").strip():
                complaints.append(f"{name}.{method_name}: no docstring")
    assert complaints == []


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_the_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(optionflags=DOCTEST_OPTIONS, verbose=False)
    report: list[str] = []
    for case in doctest.DocTestFinder().find(module, extraglobs=NAMES_IN_EXAMPLES):
        runner.run(case, out=report.append)
    assert runner.tries > 0
    assert runner.failures == 0, "".join(report)
