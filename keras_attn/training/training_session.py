"""Everything before the first update of a training: checks, data, tokenizer, model, checkpoint."""

import dataclasses
import importlib.util
import math
import os
import shutil
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from rich.console import Console

from keras_attn import decoding
from keras_attn.data import TrainingPipeline, training_pipeline
from keras_attn.models import Seq2SeqModel
from keras_attn.training.callbacks import StepCounter, Throughput
from keras_attn.training.checkpoint_file import read_checkpoint
from keras_attn.training.checkpoint_index import CheckpointIndex
from keras_attn.training.load_corpora import Corpora, load_corpora
from keras_attn.training.model_setup import build_model, check_model, compile_model
from keras_attn.training.recipe import Recipe
from keras_attn.training.run_directory import RunDirectory
from keras_attn.training.show_line import show_line
from keras_attn.training.strategies import get_strategy
from keras_attn.training.tokenizer_pair import TokenizerPair
from keras_attn.training.workers import Workers

_HIGHER_IS_BETTER = ("token_accuracy", "bleu")
_FIXED_SECTIONS = ("data", "tokenizer", "model")
# The seed draws the phrasebook and the order of batches; the policy shapes the optimizer's state.
_FIXED_IN_TRAINING = ("seed", "dtype_policy")


@dataclasses.dataclass
class TrainingSession:
    """What one call of `train` works with; made by `prepare_session`.

    Args:
        recipe: Recipe. As resolved.
        run: RunDirectory. Where everything goes.
        console: rich Console. Where progress is shown.
        strategy: tf.distribute.Strategy. What the model was made under.
        workers: Workers. The processes that train together.
        corpora: Corpora. The pairs.
        tokenizers: TokenizerPair. The vocabularies.
        train_pipeline: TrainingPipeline. The training batches.
        validation_pipeline: TrainingPipeline. The validation batches.
        model: Seq2SeqModel. Compiled, with the weights to start from.
        index: CheckpointIndex. The run's checkpoints.
        steps: StepCounter. At the step to start from.
        throughput: Throughput. The measure of speed.
        interval_steps: int. Updates between two validations.
        max_steps: int or None. The last update; None if only time ends the training.
        step_limit: str. The field of the recipe that `max_steps` comes from, with its value.
        state: dict of str to array. The running metrics of the checkpoint resumed from.
        ended_by: str. What ended the training, once it has ended.
    """

    recipe: Recipe
    run: RunDirectory
    console: Console
    strategy: tf.distribute.Strategy
    workers: Workers
    corpora: Corpora
    tokenizers: TokenizerPair
    train_pipeline: TrainingPipeline
    validation_pipeline: TrainingPipeline
    model: Seq2SeqModel
    index: CheckpointIndex
    steps: StepCounter
    throughput: Throughput
    interval_steps: int
    max_steps: int | None
    step_limit: str
    state: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    ended_by: str = ""


def prepare_session(
    recipe: Recipe | str | os.PathLike | None,
    run: RunDirectory,
    resume: bool,
    console: Console,
    accept_changed_data: bool = False,
) -> TrainingSession:
    """Does all that can fail, cheapest first, and only then writes into the run directory.

    Of several workers the chief writes, and shows what there is to show.

    Args:
        recipe: Recipe, name, path, or None for the recipe of the run to be resumed.
        run: RunDirectory. The output.
        resume: bool. Whether to continue the run.
        console: rich Console. Where reports are shown.
        accept_changed_data: bool. Whether to continue a run on other pairs than it was started on.

    Returns:
        TrainingSession.

    Raises:
        ValueError: if anything is not as it must be; then nothing was written.
    """
    run.check_may_train(resume)
    recipe = _resolve_recipe(recipe, run, resume)
    settings = recipe.training
    if settings.tensorboard and importlib.util.find_spec("tensorboard") is None:
        raise ValueError(
            "`training.tensorboard` needs a package that is missing: pip install tensorboard. "
            "Received: true"
        )
    strategy = get_strategy(settings.strategy)
    workers = Workers(strategy)
    console.quiet = console.quiet or not workers.is_chief
    decoding.get({"class_name": recipe.decoding.class_name, "config": recipe.decoding.config})
    hidden_dim = check_model(recipe)
    corpora = load_corpora(recipe.data, settings.seed)
    for corpus in (corpora.train, corpora.validation):
        for note in corpus.notes:
            show_line(console, f"{corpus.name}: {note}")
    first_step = run.last_step()
    if run.tokenizer.is_dir() and first_step:
        tokenizers = TokenizerPair.load(run.tokenizer)
    else:
        show_line(console, f"making the tokenizer ({recipe.tokenizer.kind})")
        tokenizers = TokenizerPair.train(recipe.tokenizer, corpora.train)
    pipelines = _make_pipelines(recipe, corpora, tokenizers, strategy.num_replicas_in_sync)
    show_line(console, f"training pairs: {pipelines[0].report}")
    show_line(console, f"validation pairs: {pipelines[1].report}")
    fingerprints = {"train": pipelines[0].fingerprint, "validation": pipelines[1].fingerprint}
    if first_step and not accept_changed_data:
        _check_data(run, fingerprints)
    workers.check_same("recipe", repr(recipe))
    workers.check_same("data and tokenizer", repr(fingerprints))
    workers.check_same("the step to start from", str(first_step))
    keras.utils.set_random_seed(settings.seed)
    with strategy.scope():
        model = build_model(recipe, tokenizers)
        token_counter = compile_model(model, settings, hidden_dim)
    interval, max_steps, step_limit = _plan_steps(recipe, pipelines[0])
    session = TrainingSession(
        recipe, run, console, strategy, workers, corpora, tokenizers, *pipelines, model,
        _open_index(run, recipe), StepCounter(first_step), Throughput(token_counter),
        interval, max_steps, step_limit,
    )  # fmt: skip
    if first_step:
        _restore(session)
    workers.wait()  # until all have read what the chief now changes
    if workers.is_chief:
        session.index.tidy()
        run.write_information("running", step=session.steps.step, data=fingerprints)
        recipe.to_toml(run.recipe)
        if not first_step:
            shutil.rmtree(run.tokenizer, ignore_errors=True)  # of a start that left no checkpoint
            tokenizers.save(run.tokenizer)
    return session


def _check_data(run: RunDirectory, fingerprints: dict[str, str]) -> None:
    """Refuses other pairs than the run was started on."""
    before = run.read_information().get("data", fingerprints)
    for split, fingerprint in fingerprints.items():
        if before.get(split) != fingerprint:
            raise ValueError(
                f"`data` must be what the run was started on, to resume it: the {split} pairs are "
                f"others now. Received: {fingerprint[:12]}, started on "
                f"{str(before.get(split))[:12]}. Bring the files back, or accept the change by "
                "`--accept-changed-data`: the batches to come are then those of the new pairs"
            )


def _resolve_recipe(
    recipe: Recipe | str | os.PathLike | None, run: RunDirectory, resume: bool
) -> Recipe:
    """The recipe asked for, checked against the one that a run to be resumed was started with."""
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
    for name in _FIXED_IN_TRAINING:
        yield "training", name


def _make_pipelines(
    recipe: Recipe, corpora: Corpora, tokenizers: TokenizerPair, num_replicas: int
) -> tuple[TrainingPipeline, TrainingPipeline]:
    """The endless shuffled training batches and the validation batches."""
    options: dict[str, Any] = {
        "global_batch_tokens": recipe.training.global_batch_tokens,
        "max_source_tokens": recipe.data.max_source_tokens,
        "max_target_tokens": recipe.data.max_target_tokens,
        "num_buckets": recipe.training.num_buckets,
        # So that replicas get equal shares, and these have equal parts.
        "rows_multiple": math.lcm(8, num_replicas * recipe.training.accumulation_steps),
        "seed": recipe.training.seed,
    }
    pair = (tokenizers.source, tokenizers.target)
    return (
        training_pipeline(corpora.train, *pair, repeat=True, **options),
        training_pipeline(corpora.validation, *pair, shuffle=False, **options),
    )


def _plan_steps(recipe: Recipe, pipeline: TrainingPipeline) -> tuple[int, int | None, str]:
    """Updates between two validations, updates in all (None: until the time is over), and why.

    Both numbers are rounded up to whole calls of the training function (`steps_per_execution`).
    """
    settings = recipe.training
    per_call = settings.steps_per_execution
    limits: dict[str, int] = {}
    if settings.max_steps is not None:
        limits[f"max_steps = {settings.max_steps}"] = settings.max_steps
    if settings.max_epochs is not None:
        in_steps = math.ceil(settings.max_epochs * pipeline.steps_per_epoch)
        limits[f"max_epochs = {settings.max_epochs:g}"] = in_steps
    interval = settings.validate_every_steps or pipeline.steps_per_epoch
    interval = math.ceil(interval / per_call) * per_call
    if not limits:
        return interval, None, ""
    lowest = min(limits, key=limits.__getitem__)
    return interval, math.ceil(limits[lowest] / per_call) * per_call, lowest


def _open_index(run: RunDirectory, recipe: Recipe) -> CheckpointIndex:
    metric = recipe.training.selection_metric
    return CheckpointIndex(
        run.checkpoints,
        keep=recipe.training.keep_checkpoints,
        monitor=f"val_{metric}",
        higher_is_better=metric in _HIGHER_IS_BETTER,
    )


def _restore(session: TrainingSession) -> None:
    """Loads the last checkpoint that is whole; damaged ones are set aside, and that is said."""
    while session.index.latest is not None:
        latest = session.index.latest
        try:
            if not latest.is_whole():
                raise ValueError("its checksum is another than when it was written")
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
