"""Resumes a run: its recipe, its data, and the last intact checkpoint."""

import dataclasses
import os
from collections.abc import Iterator

from keras_attn.training.recipe.recipe import Recipe
from keras_attn.training.run.checkpoint_file import OptimizerMismatchError, read_checkpoint
from keras_attn.training.run.run_directory import RunDirectory
from keras_attn.training.show_line import show_line
from keras_attn.training.training_session import TrainingSession
from keras_attn.training.update.planned_schedule import PlannedSchedule

_FIXED_SECTIONS = ("tokenizer", "model")
_FIXED_FIELDS = (
    # The paths and names of the files may change, because the fingerprint covers the pairs.
    ("data", "max_source_tokens"),
    ("data", "max_target_tokens"),
    # The seed determines the order of batches, the policy the optimizer's state.
    ("training", "seed"),
    ("training", "dtype_policy"),
)


def resolve_recipe(
    recipe: Recipe | str | os.PathLike | None, run: RunDirectory, resume: bool
) -> Recipe:
    """Returns the requested recipe, checked against the recipe that a resumed run was started with.

    Args:
        recipe: Recipe, name, path, or None for the recipe of the run.
        run: RunDirectory. The output directory.
        resume: bool. Whether to continue the run.

    Returns:
        Recipe.

    Raises:
        ValueError: if there is no recipe, or tokenizer, model, seed or precision differ, averages
            begin or end, or `steps_per_execution` does not divide the step.
    """
    if recipe is None:
        if not (resume and run.recipe.is_file()):
            raise ValueError(
                "`recipe` must be given, unless a run that contains its recipe is resumed. "
                f"Received: recipe=None, output={str(run.path)!r}, resume={resume}"
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
                    f"`{section}.{name}` must stay as the run was started with, {theirs!r}. "
                    f"Received: {ours!r}. Restore the value, or start a new run"
                )
        _check_optimizer(resolved, started_with)
        _check_whole_calls(resolved, run.last_step())
    return resolved


def _check_optimizer(recipe: Recipe, started_with: Recipe) -> None:
    """Refuses to begin or to end averages: the checkpoints have them, or do not have them."""
    ours, theirs = recipe.training.ema_decay, started_with.training.ema_decay
    if (ours is None) != (theirs is None):
        rule = "stay none" if theirs is None else "keep a value"
        raise ValueError(
            f"`training.ema_decay` must {rule}, as the run was started: its checkpoints have "
            f"{'no' if theirs is None else 'the'} averages. Received: {_shown(ours)}, started "
            f"with {_shown(theirs)}. Restore the value, or start a new run"
        )


def _shown(value: float | None) -> str:
    return "none" if value is None else f"{value:g}"


def _check_whole_calls(recipe: Recipe, step: int) -> None:
    """Refuses calls of several updates that would not meet the steps of validations and limits."""
    count = recipe.training.steps_per_execution
    if step % count:
        raise ValueError(
            "`training.steps_per_execution` must divide the step that the run continues from, "
            f"{step:,}. Received: {count}. Set it to a divisor of {step:,}, such as 1"
        )


def _fixed_fields(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Section and name of every field that must not change when a run is resumed."""
    for section in _FIXED_SECTIONS:
        for field in dataclasses.fields(getattr(recipe, section)):
            yield section, field.name
    yield from _FIXED_FIELDS


def check_data(run: RunDirectory, fingerprints: dict[str, str]) -> None:
    """Raises ValueError unless the pairs are those that the run was started on.

    Args:
        run: RunDirectory. The run to resume.
        fingerprints: dict of str to str. The fingerprint of the current pairs of each split.

    Raises:
        ValueError: if the run has a different fingerprint for a split.
    """
    before = run.read_information().get("data", fingerprints)
    for split, fingerprint in fingerprints.items():
        if before.get(split) != fingerprint:
            raise ValueError(
                f"`data` must be the data that the run was started on: the {split} pairs have "
                f"changed. Received: fingerprint {fingerprint[:12]}, started on "
                f"{str(before.get(split))[:12]}. Restore the files, or continue on the new pairs "
                "with `--accept-changed-data`"
            )


def has_other_validation(run: RunDirectory, fingerprints: dict[str, str]) -> bool:
    """Whether the validation pairs of a run that is resumed have changed, and with them its scores.

    Args:
        run: RunDirectory. The run.
        fingerprints: dict of str to str. The fingerprint of the current pairs of each split.

    Returns:
        bool.
    """
    before = run.read_information().get("data", fingerprints)
    return before.get("validation") != fingerprints["validation"]


def restore(session: TrainingSession) -> None:
    """Loads the last intact checkpoint. Damaged ones are renamed and reported.

    Args:
        session: TrainingSession. Its model, index, steps and state are set from the checkpoint.

    Raises:
        ValueError: if no checkpoint is intact, or it does not fit the optimizer or
            `steps_per_execution`.
    """
    while session.index.latest is not None:
        latest = session.index.latest
        try:
            if not latest.is_whole():
                raise ValueError("its checksum has changed since it was written")
            session.state = read_checkpoint(session.model, latest.path)
        except OptimizerMismatchError:  # the file is intact
            raise
        except (OSError, ValueError, KeyError) as error:
            reason = " ".join(str(error).split())[:200]
            if len(session.index.checkpoints) == 1:
                raise ValueError(
                    f"`{latest.path}` must be an intact checkpoint of this model. Received: a "
                    f"file that cannot be loaded ({reason}). It is the only one of the run: start "
                    "a new run"
                ) from error
            show_line(session.console, f"{latest.path.name} is damaged ({reason})")
            session.workers.wait()  # until all workers have read it
            session.index.set_aside(latest, rename=session.workers.is_chief)
            continue
        _check_whole_calls(session.recipe, latest.step)  # an earlier step than the last, perhaps
        if latest.metrics:  # after a validation the metrics start again, whatever the file holds
            session.state = {
                name: array
                for name, array in session.state.items()
                if not name.startswith("metrics/")
            }
        session.steps.step = latest.step
        show_line(session.console, f"resuming at step {latest.step:,}")
        end_where_the_clock_did(session)
        return


def end_where_the_clock_did(session: TrainingSession) -> None:
    """Ends a run where its clock has ended it, if it was not finished then.

    Otherwise, a run that was interrupted after its last update would train on, by a new clock. A
    run that was finished there, or that has other limits now, does train on.

    Args:
        session: TrainingSession. At the step of its checkpoint; its plan may be set.
    """
    step, plan = session.steps.step, session.plan
    is_at_limit = plan.last_step is not None and step >= plan.last_step
    if session.recipe.training.max_minutes is None or is_at_limit:
        return
    schedule = session.model.optimizer.schedule
    is_planned_end = (
        isinstance(schedule, PlannedSchedule)
        and schedule.last_step == step
        and schedule.planned_for in ("", plan.limits)
    )
    if _was_ended_by_clock(session.run, step, session.clock_limit, plan.limits, is_planned_end):
        session.cut_from = None if is_planned_end else plan.last_step
        plan.last_step, plan.limit = step, session.clock_limit


def _was_ended_by_clock(
    run: RunDirectory, step: int, clock_limit: str, limits: str, is_planned_end: bool
) -> bool:
    """Whether the last session ended at this step by its clock, and was not finished."""
    before = run.read_information()
    has_finished = before["status"] == "finished" or any(
        one["status"] == "finished" and one["to_step"] == step for one in before.get("sessions", [])
    )
    if before["status"] == "unfinished":
        is_same = Recipe.from_run(run.path).training.limits == limits
        return before.get("ended_by") == clock_limit and is_same
    return is_planned_end and not has_finished
