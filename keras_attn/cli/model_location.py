"""What `RUN` on the command line means: a run, a saved translator, or a SavedModel version."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from keras_attn.cli.command_parser import CommandParser
from keras_attn.cli.output import make_console, say
from keras_attn.cli.process import captured_stderr, load_tensorflow
from keras_attn.pretrained import DEFAULT_MODEL, list_pretrained, locate
from keras_attn.system.did_you_mean import nearest_names

if TYPE_CHECKING:
    from keras_attn.training import Recipe
    from keras_attn.translator import Translation, Translator

RUN_HELP = (
    "run directory, saved translator, export for LiteRT, SavedModel version directory, or a "
    "shipped model"
)
TRANSLATOR_HELP = "run directory, saved translator, or a shipped model"


class LineTranslator(Protocol):
    """The methods that commands need of every kind of model."""

    def translate(self, texts: list[str]) -> list[str]:
        """Translates lines, keeping their order."""
        ...

    def translate_detailed(self, texts: list[str]) -> list[Translation]:
        """Translates lines and gives their scores."""
        ...


def add_run_argument(parser: CommandParser, help_text: str = TRANSLATOR_HELP) -> None:
    """Adds the optional argument `RUN`; without it, the default shipped model is used.

    Args:
        parser: CommandParser. The parser of the command.
        help_text: str. What `RUN` may be.
    """
    parser.add_argument(
        "run_path",
        metavar="RUN",
        nargs="?",
        action=_ShippedByDefault,
        help=f"{help_text} (default: the shipped {DEFAULT_MODEL})",
    )


class _ShippedByDefault(argparse.Action):
    """Uses the default shipped model if no `RUN` is given; `notice` is what to say about it."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        if values is None:
            values = DEFAULT_MODEL
            namespace.notice = f"no RUN given: using the shipped model {values}"
        setattr(namespace, self.dest, values)


def open_model(
    location: str, beams: int | None = None, quick_start: bool = False
) -> LineTranslator:
    """Loads the model at a location.

    Args:
        location: str. `RUN` on the command line.
        beams: int or None. Hypotheses of the beam search; None: as the model was saved.
        quick_start: bool. Use the LiteRT form of a shipped model, which starts without
            TensorFlow, if LiteRT is installed and `beams` is None.

    Returns:
        `Translator`, `EdgeTranslator` for an export for LiteRT, or `SavedModelTranslator`.

    Raises:
        ValueError: if there is no model, or the number of beams cannot be changed.
    """
    path = _existing_directory(location)
    if quick_start and beams is None and _has_litert() and _is_litert(path / "litert"):
        say(make_console(stderr=True), "engine: LiteRT, int8 (for TensorFlow, give --beams)")
        return _open_edge(path / "litert")
    is_litert = _is_litert(path)
    if not is_litert and not (path / "saved_model.pb").is_file():
        return open_translator(location, beams)
    kind = "an export for LiteRT" if is_litert else "a SavedModel"
    if beams is not None:
        raise ValueError(
            f"`--beams` must be left out for {kind}, whose search is in its graph. "
            f"Received: {beams}, for {location}."
        )
    if is_litert:
        return _open_edge(path)
    load_tensorflow()
    from keras_attn.serving.saved_model_translator import SavedModelTranslator

    return SavedModelTranslator(path)


def _is_litert(path: Path) -> bool:
    return (path / "litert.json").is_file()


def _has_litert() -> bool:
    return importlib.util.find_spec("ai_edge_litert") is not None


def _open_edge(path: Path) -> LineTranslator:
    from keras_attn.edge import EdgeTranslator

    with captured_stderr():  # LiteRT prints which delegate it uses
        return EdgeTranslator(path)


def open_translator(location: str, beams: int | None = None) -> Translator:
    """Loads the translator of a run, or a saved translator.

    Args:
        location: str. `RUN` on the command line.
        beams: int or None. Hypotheses of the beam search; None: as the model was saved.

    Returns:
        `Translator`.

    Raises:
        ValueError: if there is none, or it is incomplete or of another version.
    """
    directory = find_translator(location)
    load_tensorflow()
    from keras_attn.translator import Translator

    return Translator.load(directory, num_beams=beams)


def find_translator(location: str) -> Path:
    """Finds the directory of the translator, without loading anything heavy.

    Args:
        location: str. `RUN` on the command line.

    Returns:
        Path.

    Raises:
        ValueError: if there is none; the message says what is there instead.
    """
    path = _existing_directory(location)
    if (path / "translator.json").is_file():
        return path
    if (path / "saved_model.pb").is_file():
        raise ValueError(
            f"`RUN` must be a {TRANSLATOR_HELP} for this command. Received: {location}, a "
            "SavedModel; give the run that it was exported from."
        )
    if _is_litert(path):
        raise ValueError(
            f"`RUN` must be a {TRANSLATOR_HELP} for this command. Received: {location}, an export "
            "for LiteRT; give the run that it was exported from."
        )
    if (path / "translator" / "translator.json").is_file():
        _check_run(path)
        return path / "translator"
    if (path / "run.json").is_file():
        _check_run(path)
        raise ValueError(
            "`RUN` must be a run whose training has ended. Received: "
            f"{location}, which has no translator yet; continue it with "
            f"`keras-attn train --output {location} --resume`."
        )
    versions = sorted(
        # Not `Path.is_file`: it raises where a child, such as `lost+found`, may not be read.
        (entry.name for entry in path.iterdir() if os.path.isfile(entry / "saved_model.pb")),
        key=lambda name: (len(name), name),
    )
    if versions:
        raise ValueError(
            f"`RUN` must be one version of a SavedModel. Received: {location}, which holds "
            f"{', '.join(versions)}; give {path / versions[-1]}."
        )
    raise ValueError(f"`RUN` must be a {RUN_HELP}. Received: {location}, which is none of them.")


def find_recipe(location: str) -> Recipe | None:
    """Reads the recipe that a model was trained with, in or above its directory.

    Args:
        location: str. `RUN` on the command line.

    Returns:
        Recipe, or None for a model without one.

    Raises:
        ValueError: if the recipe is damaged.
    """
    path = find_recipe_file(location)
    if path is None:
        return None
    load_tensorflow()
    from keras_attn.training import Recipe

    return Recipe.from_run(path.parent)


def find_recipe_file(location: str) -> Path | None:
    """The file of the recipe that `find_recipe` reads, in or above the directory of a model.

    Args:
        location: str. `RUN` on the command line.

    Returns:
        Path, or None for a model without a recipe.
    """
    path = _existing_directory(location)
    run = next((one for one in (path, path.parent) if _has_recipe(one)), None)
    return None if run is None else run / "recipe.toml"


def find_source_language(location: str) -> str | None:
    """The language that a model translates from, according to its recipe.

    Args:
        location: str. `RUN` on the command line.

    Returns:
        str, or None for a model without a recipe.
    """
    recipe = find_recipe(location)
    return None if recipe is None else recipe.data.source_language


def _has_recipe(path: Path) -> bool:
    """Whether a directory has the recipe of a run or of a shipped model, not just any file."""
    is_trained = (path / "run.json").is_file() or (path / "translator.json").is_file()
    return is_trained and (path / "recipe.toml").is_file()


def _existing_directory(location: str) -> Path:
    path = locate(location)
    if path.is_dir():
        return path
    if path.exists():
        raise ValueError(f"`RUN` must be a {RUN_HELP}. Received: {location}, which is a file.")
    hint = ""
    if path.parent.is_dir():
        names = [entry.name for entry in path.parent.iterdir() if os.path.isdir(entry)]
        near = nearest_names(path.name, [*names, *list_pretrained()], limit=1)
        # A shipped model has a name, but is not in that directory.
        meant = [path.parent / name if name in names else name for name in near]
        hint = f" Did you mean {meant[0]}?" if meant else ""
    raise ValueError(f"`RUN` must exist. Received: {location}.{hint}")


def _check_run(path: Path) -> None:
    """Raises ValueError for a run of another format. A translator needs no `run.json` beside it."""
    information = path / "run.json"
    if not information.is_file():
        return
    try:
        json.loads(information.read_text(encoding="utf-8"))["format_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"`{information}` must be what training wrote. Received: a damaged file ({error!r})."
        ) from error
    load_tensorflow()
    from keras_attn.training.run.run_directory import RunDirectory

    RunDirectory(path).read_information()
