"""Resuming a run: its recipe, its data, and the last checkpoint that is whole."""

import dataclasses
import os
from collections.abc import Iterator

from keras_attn.training.recipe.recipe import Recipe
from keras_attn.training.run.checkpoint_file import read_checkpoint
from keras_attn.training.run.run_directory import RunDirectory
from keras_attn.training.show_line import show_line
from keras_attn.training.training_session import TrainingSession

_FIXED_SECTIONS = ("tokenizer", "model")
_FIXED_FIELDS = (
    # The paths and names of the files may change: the fingerprint guards the pairs themselves.
    ("data", "max_source_tokens"),
    ("data", "max_target_tokens"),
    # The seed draws the phrasebook and the order of batches; the policy shapes the optimizer.
    ("training", "seed"),
    ("training", "dtype_policy"),
)


def resolve_recipe(
    recipe: Recipe | str | os.PathLike | None, run: RunDirectory, resume: bool
) -> Recipe:
    """The recipe asked for, checked against the one that a run to be resumed was started with.

    Args:
        recipe: Recipe, name, path, or None for the recipe of the run.
        run: RunDirectory. The output.
        resume: bool. Whether to continue the run.

    Returns:
        Recipe.

    Raises:
        ValueError: if there is none, or tokenizer, model, seed or precision differ.
    """
    if recipe is None:
        if not (resume and run.recipe.is_file()):
            raise ValueError(
                "`recipe` may only be left out to resume a run that holds one. "
                f"Received: recipe=None, output={str(run.path)!r}"
            )
        return Recipe.from_run(run.path)
    resolved = recipe if isinstance(recipe, Recipe) else Recipe.named(recipe)
    if resume and run.last_step():
        started_with = Recipe.from_run(run.path)
        for section, name in _fixed_fields(resolved):
            ours = getattr(getattr(resolved, section), name)
            theirs = getattr(getattr(started_with, section), name)
            if ours != theirs:
                raise ValueError(
                    f"`{section}.{name}` must be as the run was started with, {theirs!r}, to "
                    f"resume it. Received: {ours!r}"
                )
    return resolved


def _fixed_fields(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Section and name of every field that a resumed run must share with its start."""
    for section in _FIXED_SECTIONS:
        for field in dataclasses.fields(getattr(recipe, section)):
            yield section, field.name
    yield from _FIXED_FIELDS


def check_data(run: RunDirectory, fingerprints: dict[str, str]) -> None:
    """Raises ValueError unless the pairs are those that the run was started on.

    Args:
        run: RunDirectory. What is to be resumed.
        fingerprints: dict of str to str. By name of the split, that of the pairs at hand.

    Raises:
        ValueError: if the run has another one of a split.
    """
    before = run.read_information().get("data", fingerprints)
    for split, fingerprint in fingerprints.items():
        if before.get(split) != fingerprint:
            raise ValueError(
                f"`data` must be what the run was started on, to resume it: the {split} pairs have "
                f"changed. Received: {fingerprint[:12]}, started on "
                f"{str(before.get(split))[:12]}. Restore the files, or accept the change with "
                "`--accept-changed-data`: the next batches are then made of the new pairs"
            )


def restore(session: TrainingSession) -> None:
    """Loads the last checkpoint that is whole. Damaged ones are set aside and reported.

    Args:
        session: TrainingSession. Its model, index, steps and state are those of the checkpoint
            afterwards.

    Raises:
        ValueError: if none is whole.
    """
    while session.index.latest is not None:
        latest = session.index.latest
        try:
            if not latest.is_whole():
                raise ValueError("its checksum has changed since it was written")
            session.state = read_checkpoint(session.model, latest.path)
        except (OSError, ValueError, KeyError) as error:
            reason = " ".join(str(error).split())[:200]
            if len(session.index.checkpoints) == 1:
                raise ValueError(
                    f"`{latest.path}` must be a whole checkpoint of this model. Received: a file "
                    f"that cannot be loaded ({reason}). It is the only one: start a new run"
                ) from error
            show_line(session.console, f"{latest.path.name} is damaged ({reason})")
            session.workers.wait()  # until all have seen it
            session.index.set_aside(latest, rename=session.workers.is_chief)
            continue
        session.steps.step = latest.step
        show_line(session.console, f"resuming at step {latest.step:,}")
        return
