"""The floors of the house: what `lint-imports` cannot see, and that it is asked at all."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = REPOSITORY / "keras_attn"
SOURCES = {str(path.relative_to(PACKAGE)): path for path in sorted(PACKAGE.rglob("*.py"))}
ROOMS = sorted(
    path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or any(path.glob("*.py"))
)


def imports_of_ours(tree: ast.AST) -> list[ast.stmt]:
    """The statements under `tree` that import from this package."""
    found: list[ast.stmt] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names = ["keras_attn" if node.level else node.module or ""]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        if any(name.split(".")[0] == "keras_attn" for name in names):
            found.append(node)
    return found


def test_no_function_imports_the_package() -> None:
    late = [
        f"{name}:{node.lineno}"
        for name, path in SOURCES.items()
        if not name.startswith("cli/")
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in imports_of_ours(function)
    ]
    assert late == []


def test_there_is_no_room_for_what_has_no_name() -> None:
    nameless = {"util", "utils", "helper", "helpers", "common", "misc", "miscellaneous"}
    parts = {part for name in SOURCES for part in Path(name).with_suffix("").parts}
    assert parts & nameless == set()


def test_every_room_stands_on_a_floor() -> None:
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = {one["id"]: one for one in settings["tool"]["importlinter"]["contracts"]}
    floors = {
        room.strip(" ()") for line in contracts["floors"]["layers"] for room in line.split("|")
    }
    assert set(ROOMS) - floors == {"__init__"}


def test_the_floors_are_checked_with_the_sources() -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    recipe = makefile.split("\nlint:")[1].split("\n\n")[0]
    assert "lint-imports" in recipe
