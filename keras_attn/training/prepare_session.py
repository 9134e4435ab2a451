"""Prepares a training session: checks, data, model, checkpoint."""

import dataclasses
import importlib.util
import os
import shutil

import keras
import tensorflow as tf
from rich.console import Console

from keras_attn import decoding
from keras_attn.evaluation import find_bleu_tokenizer
from keras_attn.lines.json_records import read_noted_records
from keras_attn.models import Seq2SeqModel
from keras_attn.training.callbacks import StepCounter, Throughput
from keras_attn.training.model_setup import build_model, check_model, compile_model
from keras_attn.training.prepare_data import prepare_data
from keras_attn.training.recipe.recipe import Recipe
from keras_attn.training.replicas.strategies import check_steps_per_execution, get_strategy
from keras_attn.training.replicas.workers import Workers
from keras_attn.training.resume import (
    check_data,
    has_other_validation,
    resolve_recipe,
    restore,
)
from keras_attn.training.run.checkpoint_index import CheckpointIndex
from keras_attn.training.run.run_directory import RunDirectory
from keras_attn.training.show_line import show_line
from keras_attn.training.step_plan import StepPlan
from keras_attn.training.tokenizer_pair import TokenizerPair
from keras_attn.training.trained_translators import (
    check_teacher,
    read_start,
    read_teacher,
    take_weights,
)
from keras_attn.training.training_session import TrainingSession
from keras_attn.training.update.perplexity import Perplexity
from keras_attn.translator import Translator

_HIGHER_IS_BETTER = ("token_accuracy", "bleu", "chrf")


def prepare_session(
    recipe: Recipe | str | os.PathLike | None,
    run: RunDirectory,
    resume: bool,
    console: Console,
    accept_changed_data: bool = False,
) -> TrainingSession:
    """Runs everything that can fail, cheapest first, before it writes into the run directory.

    With several workers, only the chief writes and shows reports.

    Args:
        recipe: Recipe, name, path, or None for the recipe of the resumed run.
        run: RunDirectory. The output directory.
        resume: bool. Whether to continue the run.
        console: rich Console. Where reports are shown.
        accept_changed_data: bool. Whether to continue a run although its pairs have changed.

    Returns:
        TrainingSession.

    Raises:
        ValueError: if the recipe, the data or the directory is invalid; nothing is written then.
    """
    run.check_may_train(resume)
    recipe = resolve_recipe(recipe, run, resume)
    settings = recipe.training
    strategy = get_strategy(settings.strategy)  # with several workers: before any operation
    workers = Workers(strategy)
    check_recipe(recipe, strategy)
    workers.check_same("recipe", repr(recipe))  # before a teacher's variables, which all must make
    console.quiet = console.quiet or not workers.is_chief
    first_step = run.last_step()
    start = None if first_step else read_start(recipe.model)
    teacher = read_teacher(recipe, strategy)
    data = prepare_data(recipe, run, strategy.num_replicas_in_sync, console, start or teacher)
    if first_step and not accept_changed_data:
        check_data(run, data.fingerprints)
    workers.check_same("data and tokenizer", repr(data.fingerprints))
    workers.check_same("the step to start from", str(first_step))
    model, token_counter = make_model(recipe, data.tokenizers, strategy, start, teacher)
    session = TrainingSession(
        recipe=recipe,
        run=run,
        console=console,
        strategy=strategy,
        workers=workers,
        data=data,
        model=model,
        index=_open_index(run, recipe),
        steps=StepCounter(first_step),
        throughput=Throughput(token_counter),
        plan=StepPlan.of(settings, data.train.steps_per_epoch),
    )
    if first_step:
        restore(session)
        for note in read_noted_records(run.history)[1]:
            show_line(console, note)
        if has_other_validation(run, data.fingerprints):
            show_line(console, "the validation pairs have changed: earlier scores do not count")
            session.index.forget_metrics(write=workers.is_chief)
    workers.wait()  # until all workers have read the files that the chief changes now
    if workers.is_chief:
        _begin(session)
    return session


def check_recipe(recipe: Recipe, strategy: tf.distribute.Strategy) -> None:
    """Checks the parts of a recipe that need no data.

    Args:
        recipe: Recipe.
        strategy: tf.distribute.Strategy. That of the recipe.

    Raises:
        ValueError: if one of them is invalid, or needs a package that is not installed.
    """
    check_steps_per_execution(recipe.training.steps_per_execution, strategy)
    if recipe.training.tensorboard and importlib.util.find_spec("tensorboard") is None:
        raise ValueError(
            "`training.tensorboard` needs the package tensorboard, which is not installed. "
            'Received: true. Run `pip install "keras_attn[tensorboard]"`'
        )
    if recipe.training.bleu_sentences or recipe.data.test is not None:
        find_bleu_tokenizer(
            recipe.training.bleu_tokenizer, recipe.data.target_language, "training.bleu_tokenizer"
        )
    decoding.get({"class_name": recipe.decoding.class_name, "config": recipe.decoding.config})
    check_model(recipe)


def make_model(
    recipe: Recipe,
    tokenizers: TokenizerPair,
    strategy: tf.distribute.Strategy,
    start: Translator | None = None,
    teacher: Translator | None = None,
) -> tuple[Seq2SeqModel, Perplexity]:
    """Makes and compiles the model of a recipe under its strategy.

    Args:
        recipe: Recipe.
        tokenizers: TokenizerPair. Its vocabularies.
        strategy: tf.distribute.Strategy.
        start: Translator or None. What it is fine-tuned from.
        teacher: Translator or None. What it also learns from.

    Returns:
        The model, and the metric that counts its tokens.

    Raises:
        ValueError: if the recipe makes a model of another form than that of `start`, or the teacher
            has other tokenizers.
    """
    if teacher is not None:
        check_teacher(recipe.training.teacher, teacher, tokenizers)
    keras.utils.set_random_seed(recipe.training.seed)
    with strategy.scope():
        model = build_model(recipe, tokenizers)
        if start is not None:
            take_weights(model, start.model)
        token_counter = Perplexity()
        compile_model(model, recipe.training, token_counter, teacher and teacher.model)
    return model, token_counter


def _begin(session: TrainingSession) -> None:
    """Writes the files that a resumed run needs into the run directory."""
    run, step = session.run, session.steps.step
    run.tidy()
    values = {"step": step, "data": session.data.fingerprints}
    if step and has_other_validation(run, session.data.fingerprints):
        values["validation_changed_at"] = step
    run.write_information("running", **values)
    # With absolute paths the run can be resumed from another working directory.
    recipe = session.recipe
    sections = {name: getattr(recipe, name) for name in ("data", "model", "training")}
    absolute = {name: section.with_absolute_paths() for name, section in sections.items()}
    dataclasses.replace(recipe, **absolute).to_toml(run.recipe)
    if not step:
        shutil.rmtree(run.tokenizer, ignore_errors=True)  # left by a start without a checkpoint
        session.data.tokenizers.save(run.tokenizer)


def _open_index(run: RunDirectory, recipe: Recipe) -> CheckpointIndex:
    metric = recipe.training.selection_metric
    return CheckpointIndex(
        run.checkpoints,
        keep=recipe.training.keep_checkpoints,
        monitor=f"val_{metric}",
        higher_is_better=metric in _HIGHER_IS_BETTER,
    )
