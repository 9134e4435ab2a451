"""What the repository says of itself is true: links, paths, commands, examples, package data."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import keras_attn

REPOSITORY = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted(
    [
        *REPOSITORY.glob("*.md"),
        *REPOSITORY.glob("docs/**/*.md"),
        REPOSITORY / "saved_models/README.md",
    ]
)
TESTS = sorted(REPOSITORY.glob("tests/**/test_*.py"))
SLOW_DOCUMENTS = ("README.md", "docs/serving.md")  # other tests run what their Python runs
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"[\w.-]+(/[\w.-]+)+/?|[\w-]+/|[\w.-]+\.(py|md|toml)")
PLACEHOLDER = re.compile(r"\b(NAME|RUN|VERSION)\b")


def document_name(path: Path) -> str:
    """How a document is called in the name of a test."""
    return str(path.relative_to(REPOSITORY))


def blocks(path: Path, languages: set[str]) -> list[str]:
    """The fenced blocks of a document in one of these languages, in order."""
    found = FENCE.findall(path.read_text(encoding="utf-8"))
    return [body for language, body in found if language in languages]


def named_paths(path: Path) -> Iterator[str]:
    """Paths into this repository in backticks in the prose of a document, without placeholders."""
    prose = FENCE.sub("", path.read_text(encoding="utf-8"))
    for name in filter(PATH.fullmatch, CODE.findall(prose)):
        first = name.split("/")[0]
        known = (REPOSITORY / first).exists() or (REPOSITORY / "keras_attn" / first).exists()
        if known and not PLACEHOLDER.search(name):
            yield name


def commands(path: Path) -> list[str]:
    """The `keras-attn` command lines in the shell blocks of a document, without redirections."""
    found = []
    for block in blocks(path, {"bash", "console", "sh", "shell"}):
        for line in block.replace("\\\n", " ").splitlines():
            for part in re.split(r"\|\|?|&&|;", line.strip().removeprefix("$ ")):
                if part.strip().startswith("keras-attn "):
                    found.append(re.split(r"\s[<>]|\s2>", part.strip())[0])
    return found


def shipped_files() -> set[str]:
    """The files of the package that are not Python sources: they must be named as package data."""
    return {
        str(path.relative_to(REPOSITORY))
        for path in (REPOSITORY / "keras_attn").rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"} and path.name != ".DS_Store"
    }


@pytest.mark.parametrize("document", DOCUMENTS, ids=document_name)
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    prose = FENCE.sub("", document.read_text(encoding="utf-8"))
    targets = [link.split("#")[0] for link in LINK.findall(prose) if "://" not in link]
    assert [name for name in targets if name and not (document.parent / name).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=document_name)
def test_every_path_that_a_document_names_exists(document: Path) -> None:
    roots = [document.parent, REPOSITORY, REPOSITORY / "keras_attn"]
    missing = [
        name for name in named_paths(document) if not any((root / name).exists() for root in roots)
    ]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=document_name)
def test_every_test_that_a_document_names_exists(document: Path) -> None:
    sources = "\n".join(path.read_text(encoding="utf-8") for path in TESTS)
    known = set(re.findall(r"^ *def (test_\w+)\(", sources, re.MULTILINE))
    prose = FENCE.sub("", document.read_text(encoding="utf-8"))
    named = {name for name in CODE.findall(prose) if re.fullmatch(r"test_\w+", name)}
    assert named - known == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=document_name)
def test_every_command_that_a_document_shows_parses(document: Path) -> None:
    from keras_attn.cli.main import build_parser

    parser = build_parser()
    for command in commands(document):
        try:
            parser.parse_args(shlex.split(command, comments=True)[1:])
        except SystemExit as stop:
            assert not stop.code, f"{document.name}: the parser refuses: {command}"


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(document, marks=pytest.mark.slow)
        if document_name(document) in SLOW_DOCUMENTS
        else document
        for document in DOCUMENTS
        if blocks(document, {"python"})
    ],
    ids=document_name,
)
def test_the_python_that_a_document_shows_runs(
    document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "__main__"}
    for number, block in enumerate(blocks(document, {"python"}), start=1):
        exec(compile(block, f"{document.name}, block {number}", "exec"), namespace)


def test_an_installation_holds_every_file_of_the_package(tmp_path: Path) -> None:
    command = [sys.executable, "setup.py", "--quiet", "build_py", "--build-lib", str(tmp_path)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, timeout=120)
    missing = {name for name in shipped_files() if not (tmp_path / name).is_file()}
    assert missing == set()
    sources = {path.relative_to(REPOSITORY) for path in (REPOSITORY / "keras_attn").rglob("*.py")}
    assert {name for name in sources if not (tmp_path / name).is_file()} == set()


def test_every_room_of_the_package_is_importable_as_a_package() -> None:
    directories = {path.parent for path in (REPOSITORY / "keras_attn").rglob("*.py")}
    assert [str(path) for path in sorted(directories) if not (path / "__init__.py").exists()] == []


def test_continuous_integration_installs_what_it_needs() -> None:
    script = REPOSITORY / ".ci" / "run"
    lines = [line for line in script.read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
    assert os.access(script, os.X_OK)
    assert "make test" in lines and lines[-1].endswith("make test-slow")
    assert any(line.startswith("make") and line.endswith("test-backends") for line in lines)
    assert "set -euo pipefail" in lines


def test_the_newest_entry_of_the_changelog_is_this_version() -> None:
    changelog = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[?(\d+\.\d+\.\d+)", changelog, re.MULTILINE)
    assert newest is not None
    assert newest.group(1) == keras_attn.__version__
