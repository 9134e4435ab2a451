"""`train`: from a recipe to a run directory with a translator in it."""

import dataclasses
import importlib.util
import math
import os
import time
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from rich.console import Console

from keras_attn import decoding
from keras_attn.data import TrainingPipeline, training_pipeline
from keras_attn.models import Seq2SeqModel
from keras_attn.training.callbacks import (
    CheckpointWriter,
    HistoryWriter,
    ProgressDisplay,
    SampleTranslations,
    StepCounter,
    StepLimit,
    StopOnNonFiniteLoss,
    Throughput,
    TimeLimit,
    ValidationBleu,
    read_history,
)
from keras_attn.training.checkpoint_index import CheckpointIndex
from keras_attn.training.finish_run import choose_weights, make_translator, score_run
from keras_attn.training.load_corpora import Corpora, load_corpora
from keras_attn.training.model_setup import build_model, check_model, compile_model
from keras_attn.training.recipe import Recipe
from keras_attn.training.run_directory import RunDirectory, write_json
from keras_attn.training.strategies import get_strategy
from keras_attn.training.tokenizer_pair import TokenizerPair
from keras_attn.training.training_result import TrainingResult

_HIGHER_IS_BETTER = ("token_accuracy", "bleu")
_FIXED_SECTIONS = ("data", "tokenizer", "model")
_ENDLESS_EPOCHS = 10**9


def train(
    recipe: Recipe | str | os.PathLike | None,
    output: str | os.PathLike,
    resume: bool = False,
    progress: bool = True,
    console: Console | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> TrainingResult:
    """Trains the model of a recipe and leaves a run directory with a translator.

    Everything that can fail is tried before the first update. The model is trained by `model.fit`
    inside the strategy's scope; a Keras epoch is the stretch between two validations. Every
    validation leaves a checkpoint of weights and optimizer state; an interrupted or killed run
    continues from the last one, and its data stream from the same batch (dropout goes on with other
    random numbers than it would have).

    Args:
        recipe: Recipe, name of one, or path of a `.toml` file. None to resume with the recipe that
            the run itself holds.
        output: path. The run directory: new, empty, or, with `resume`, a run.
        resume: bool. Continue the run in `output`, if there is one. Data, tokenizer and model must
            be the same; what `[training]` and `[decoding]` say may differ.
        progress: bool. Whether to show progress and reports.
        console: rich Console or None. Where to show them; standard error by default.
        callbacks: sequence of keras callbacks. Called after the built-in ones.

    Returns:
        TrainingResult.

    Raises:
        ValueError: if the recipe, the data or the output directory is not as it must be.
        NonFiniteLossError: if the loss becomes NaN or infinite; earlier checkpoints stay.
        KeyboardInterrupt: when interrupted; a checkpoint is written before.

    Example:

    >>> train("phrasebook_tinny", "runs/first")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: `recipe` must be ... 'phrasebook_tinny'. Did you mean 'phrasebook_tiny'?
    """
    started = time.monotonic()
    if console is None:
        console = Console(stderr=True, quiet=not progress)
    run = RunDirectory(output)
    session = _prepare(recipe, run, resume, console)
    first_step = session.steps.step
    if first_step < (session.max_steps or math.inf):
        _fit(session, callbacks)
    throughput = session.throughput
    _show(console, "saving and scoring the translator")
    translator, scores = _finish(session)
    seconds = time.monotonic() - started
    report = {
        "recipe": session.recipe.name,
        "steps": session.steps.step,
        "epochs": session.steps.step / session.train_pipeline.steps_per_epoch,
        "seconds": seconds,
        "step_seconds": throughput.step_seconds,
        "target_tokens": throughput.target_tokens,
        "target_tokens_per_second": throughput.tokens_per_second,
        "target_tokens_per_second_without_compilation": throughput.steady_tokens_per_second,
        "compile_seconds": throughput.compile_seconds,
        "parameters": translator.model.count_params(),
        "training_pairs": str(session.train_pipeline.report),
        "validation_pairs": str(session.validation_pipeline.report),
        "corpus_notes": list(session.corpora.train.notes),
        **scores,
    }
    write_json(run.report, report)
    _end_session(session, "finished", first_step, seconds)
    _show(console, f"finished: {run.path} ({seconds:.0f} s, {session.steps.step:,} steps)")
    return TrainingResult(
        run=run.path,
        translator=translator,
        history=read_history(run.history),
        steps=session.steps.step,
        seconds=seconds,
        target_tokens_per_second=throughput.tokens_per_second,
        report=report,
    )


@dataclasses.dataclass
class _Session:
    """What one call of `train` works with."""

    recipe: Recipe
    run: RunDirectory
    console: Console
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


def _prepare(
    recipe: Recipe | str | os.PathLike | None, run: RunDirectory, resume: bool, console: Console
) -> _Session:
    """Does all that can fail, cheapest first, and only then writes into the run directory."""
    run.check_may_train(resume)
    recipe = _resolve_recipe(recipe, run, resume)
    settings = recipe.training
    if settings.tensorboard and importlib.util.find_spec("tensorboard") is None:
        raise ValueError(
            "`training.tensorboard` needs a package that is missing: pip install tensorboard. "
            "Received: true"
        )
    strategy = get_strategy(settings.strategy)
    decoding.get({"class_name": recipe.decoding.class_name, "config": recipe.decoding.config})
    hidden_dim = check_model(recipe)
    corpora = load_corpora(recipe.data, settings.seed)
    for corpus in (corpora.train, corpora.validation):
        for note in corpus.notes:
            _show(console, f"{corpus.name}: {note}")
    if run.tokenizer.is_dir() and run.last_step():
        tokenizers = TokenizerPair.load(run.tokenizer)
    else:
        _show(console, f"making the tokenizer ({recipe.tokenizer.kind})")
        tokenizers = TokenizerPair.train(recipe.tokenizer, corpora.train)
    train_pipeline, validation_pipeline = _make_pipelines(
        recipe, corpora, tokenizers, strategy.num_replicas_in_sync
    )
    _show(console, f"training pairs: {train_pipeline.report}")
    _show(console, f"validation pairs: {validation_pipeline.report}")
    first_step = run.last_step()
    # Another seed for every session, so that a resumed one does not repeat the first's dropout.
    keras.utils.set_random_seed(settings.seed + first_step)
    with strategy.scope():
        model = build_model(recipe, tokenizers)
        jit_compile = settings.jit_compile and strategy.num_replicas_in_sync == 1
        token_counter = compile_model(model, settings, hidden_dim, jit_compile)
    if settings.jit_compile and not jit_compile:
        _show(console, "note: XLA is off, it does not work with several replicas")
    interval, max_steps = _plan_steps(recipe, train_pipeline)
    session = _Session(
        recipe, run, console, corpora, tokenizers, train_pipeline, validation_pipeline, model,
        _open_index(run, recipe), StepCounter(first_step), Throughput(token_counter),
        interval, max_steps,
    )  # fmt: skip
    if first_step:
        _restore(session)
    run.write_information("running", step=first_step)
    recipe.to_toml(run.recipe)
    if not first_step:
        tokenizers.save(run.tokenizer)
    return session


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
        return Recipe.from_toml(run.recipe)
    resolved = recipe if isinstance(recipe, Recipe) else Recipe.named(recipe)
    if resume and run.last_step():
        started_with = Recipe.from_toml(run.recipe)
        for section in _FIXED_SECTIONS:
            ours, theirs = getattr(resolved, section), getattr(started_with, section)
            for field in dataclasses.fields(ours):
                if getattr(ours, field.name) != getattr(theirs, field.name):
                    raise ValueError(
                        f"`{section}.{field.name}` must be as the run was started with, "
                        f"{getattr(theirs, field.name)!r}, to resume it. "
                        f"Received: {getattr(ours, field.name)!r}"
                    )
    return resolved


def _make_pipelines(
    recipe: Recipe, corpora: Corpora, tokenizers: TokenizerPair, num_replicas: int
) -> tuple[TrainingPipeline, TrainingPipeline]:
    """The endless shuffled training batches and the validation batches."""
    options: dict[str, Any] = {
        "global_batch_tokens": recipe.training.global_batch_tokens,
        "max_source_tokens": recipe.data.max_source_tokens,
        "max_target_tokens": recipe.data.max_target_tokens,
        "num_buckets": recipe.training.num_buckets,
        "rows_multiple": math.lcm(8, num_replicas),  # so that replicas get equal shares
        "seed": recipe.training.seed,
    }
    pair = (tokenizers.source, tokenizers.target)
    return (
        training_pipeline(corpora.train, *pair, repeat=True, **options),
        training_pipeline(corpora.validation, *pair, shuffle=False, **options),
    )


def _plan_steps(recipe: Recipe, pipeline: TrainingPipeline) -> tuple[int, int | None]:
    """Updates between two validations, and updates in all (None: until the time is over).

    Both are rounded up to whole calls of the training function (`steps_per_execution`).
    """
    settings = recipe.training
    per_call = settings.steps_per_execution
    limits = [] if settings.max_steps is None else [settings.max_steps]
    if settings.max_epochs is not None:
        limits.append(math.ceil(settings.max_epochs * pipeline.steps_per_epoch))
    interval = settings.validate_every_steps or pipeline.steps_per_epoch
    max_steps = math.ceil(min(limits) / per_call) * per_call if limits else None
    return math.ceil(interval / per_call) * per_call, max_steps


def _open_index(run: RunDirectory, recipe: Recipe) -> CheckpointIndex:
    metric = recipe.training.selection_metric
    return CheckpointIndex(
        run.checkpoints,
        keep=recipe.training.keep_checkpoints,
        monitor=f"val_{metric}",
        higher_is_better=metric in _HIGHER_IS_BETTER,
    )


def _restore(session: _Session) -> None:
    """Loads weights and optimizer state of the last checkpoint."""
    latest = session.index.latest
    if latest is None:
        return
    try:
        session.model.load_weights(latest.path)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(
            f"`{latest.path}` must be a whole checkpoint of this model. Received: a file that "
            f"cannot be loaded ({' '.join(str(error).split())[:200]}). Delete it to resume from "
            "the one before."
        ) from error
    _show(session.console, f"resuming at step {latest.step:,}")


def _fit(session: _Session, extra_callbacks: Sequence[keras.callbacks.Callback]) -> None:
    """Runs `model.fit` to a limit; on an interrupt saves a checkpoint and says how to go on."""
    steps, interval = session.steps, session.interval_steps
    first_step, started = steps.step, time.monotonic()
    writer = CheckpointWriter(session.index, steps)
    display = _make_display(session)
    built_in = _make_callbacks(session, writer, display)
    epochs = _ENDLESS_EPOCHS
    if session.max_steps is not None:
        epochs = math.ceil((session.max_steps - first_step) / interval)
    try:
        session.model.fit(
            session.train_pipeline.dataset_from(first_step),
            steps_per_epoch=interval,
            epochs=epochs,
            validation_data=session.validation_pipeline.dataset,
            callbacks=[*built_in, *extra_callbacks],
            shuffle=False,  # the pipeline does that
            verbose=0,
        )
    except KeyboardInterrupt:
        display.close()
        if steps.step > session.run.last_step():
            writer.set_model(session.model)
            writer.write({})
        _end_session(session, "interrupted", first_step, time.monotonic() - started)
        _show(
            session.console,
            f"interrupted: step {steps.step:,} is saved in {session.run.path}; continue with "
            f"keras-attn train {session.recipe.name} --output {session.run.path} --resume",
        )
        raise
    except BaseException:
        _end_session(session, "failed", first_step, time.monotonic() - started)
        raise
    finally:
        display.close()


def _make_display(session: _Session) -> ProgressDisplay:
    minutes = session.recipe.training.max_minutes
    return ProgressDisplay(
        session.console,
        session.steps,
        session.throughput,
        session.max_steps,
        None if minutes is None else 60.0 * minutes,
    )


def _make_callbacks(
    session: _Session, writer: CheckpointWriter, display: ProgressDisplay
) -> list[keras.callbacks.Callback]:
    """The built-in callbacks, in an order that matters: counts first, scores before the savers."""
    settings, steps = session.recipe.training, session.steps
    result: list[keras.callbacks.Callback] = [
        steps, session.throughput, StopOnNonFiniteLoss(steps),
    ]  # fmt: skip
    if session.max_steps is not None:
        result.append(StepLimit(steps, session.max_steps))
    if settings.max_minutes is not None:
        result.append(TimeLimit(settings.max_minutes))
    search = "greedy" if settings.bleu_search == "greedy" else None
    translator = make_translator(session.recipe, session.model, session.tokenizers, search)
    validation = session.corpora.validation
    if settings.bleu_sentences:
        some = validation.take(settings.bleu_sentences)
        result.append(ValidationBleu(translator.translate, some.sources, [list(some.targets)]))
    result.append(display)
    if settings.sample_sentences:
        some = validation.take(settings.sample_sentences)
        result.append(
            SampleTranslations(
                translator.translate, some.sources, some.targets, session.run.samples, steps,
                lambda line: _show(session.console, line),
            )
        )  # fmt: skip
    result += [writer, HistoryWriter(session.run.history, steps, session.throughput)]
    if settings.early_stopping_patience is not None:
        index = session.index
        result.append(
            keras.callbacks.EarlyStopping(
                monitor=index.monitor,
                mode="max" if index.higher_is_better else "min",
                patience=settings.early_stopping_patience,
            )
        )
    if settings.tensorboard:
        result.append(keras.callbacks.TensorBoard(session.run.tensorboard))
    return result


def _finish(session: _Session) -> tuple[Any, dict[str, Any]]:
    """Chooses the weights, saves them as a translator and scores it."""
    recipe, run = session.recipe, session.run
    path, words = choose_weights(run, recipe, session.index)
    # A copy of its own, outside the strategy and not compiled: no optimizer state in what is saved.
    model = build_model(recipe, session.tokenizers)
    model.load_weights(path)
    translator = make_translator(recipe, model, session.tokenizers)
    translator.save(run.translator)
    session.model.set_weights(model.get_weights())
    scores = score_run(
        recipe,
        session.model,
        translator,
        session.validation_pipeline.dataset,
        session.corpora.validation,
        session.corpora.test,
        session.console,
    )
    return translator, {"weights": words, **scores}


def _end_session(session: _Session, status: str, first_step: int, seconds: float) -> None:
    """Enters how this session ended in `run.json`."""
    sessions = session.run.read_information().get("sessions", [])
    entry = {
        "status": status,
        "from_step": first_step,
        "to_step": session.steps.step,
        "seconds": seconds,
        "devices": [device.name for device in tf.config.list_logical_devices()],
    }
    session.run.write_information(
        status, step=session.run.last_step(), sessions=[*sessions, entry]
    )


def _show(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
