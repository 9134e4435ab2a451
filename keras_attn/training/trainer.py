"""`train`: from a recipe to a run directory with a translator in it."""

import math
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from rich.console import Console

from keras_attn.training.callbacks import (
    CheckpointWriter,
    HistoryWriter,
    ProgressDisplay,
    SampleTranslations,
    StepLimit,
    StopOnNonFiniteLoss,
    TimeLimit,
    ValidationBleu,
    read_history,
)
from keras_attn.training.finish_run import choose_weights, make_translator, score_run
from keras_attn.training.model_setup import build_model
from keras_attn.training.recipe import Recipe
from keras_attn.training.run_directory import RunDirectory, write_json
from keras_attn.training.show_line import show_line
from keras_attn.training.training_result import TrainingResult
from keras_attn.training.training_session import TrainingSession, prepare_session

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
    session = prepare_session(recipe, run, resume, console)
    first_step = session.steps.step
    if first_step < (session.max_steps or math.inf):
        _fit(session, callbacks)
    else:
        session.ended_by = "its limit in an earlier session"
    throughput = session.throughput
    show_line(console, "saving and scoring the translator")
    try:
        translator, scores = _finish(session)
    except BaseException:
        _end_session(session, "unfinished", first_step, time.monotonic() - started)
        show_line(console, f"trained but not finished: {_how_to_go_on(session)}")
        raise
    seconds = time.monotonic() - started
    report = {
        "recipe": session.recipe.name,
        "steps": session.steps.step,
        "ended_by": session.ended_by,
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
    counts = f"{seconds:.0f} s, {session.steps.step:,} steps, ended by {session.ended_by}"
    show_line(console, f"finished: {run.path} ({counts})")
    return TrainingResult(
        run=run.path,
        translator=translator,
        history=read_history(run.history),
        steps=session.steps.step,
        seconds=seconds,
        target_tokens_per_second=throughput.tokens_per_second,
        report=report,
    )


def _fit(session: TrainingSession, extra_callbacks: Sequence[keras.callbacks.Callback]) -> None:
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
        session.ended_by = _ended_by(session, built_in)
    except KeyboardInterrupt:
        display.close()
        if steps.step > session.run.last_step():
            writer.set_model(session.model)
            writer.write({})
        _end_session(session, "interrupted", first_step, time.monotonic() - started)
        show_line(session.console, f"interrupted: {_how_to_go_on(session)}")
        raise
    except BaseException:
        _end_session(session, "failed", first_step, time.monotonic() - started)
        raise
    finally:
        display.close()


def _how_to_go_on(session: TrainingSession) -> str:
    """What is saved, and the command that continues from there."""
    saved = session.run.last_step()
    if not saved:
        return "no step is saved yet; start again with the same command"
    return (
        f"step {saved:,} is saved in {session.run.path}; continue with "
        f"keras-attn train --output {session.run.path} --resume"
    )


def _ended_by(session: TrainingSession, callbacks: Sequence[keras.callbacks.Callback]) -> str:
    """Names the limit that ended the training."""
    settings = session.recipe.training
    if session.max_steps is not None and session.steps.step >= session.max_steps:
        return session.step_limit
    if any(isinstance(callback, TimeLimit) and callback.reached for callback in callbacks):
        return f"max_minutes = {settings.max_minutes:g}"
    return "early stopping" if settings.early_stopping_patience is not None else "a callback"


def _make_display(session: TrainingSession) -> ProgressDisplay:
    minutes = session.recipe.training.max_minutes
    return ProgressDisplay(
        session.console,
        session.steps,
        session.throughput,
        session.max_steps,
        None if minutes is None else 60.0 * minutes,
    )


def _make_callbacks(
    session: TrainingSession, writer: CheckpointWriter, display: ProgressDisplay
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
                lambda line: show_line(session.console, line),
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


def _finish(session: TrainingSession) -> tuple[Any, dict[str, Any]]:
    """Chooses the weights, saves them as a translator and scores it."""
    recipe, run = session.recipe, session.run
    # A copy of its own, outside the strategy and not compiled: no optimizer state in what is saved.
    model = build_model(recipe, session.tokenizers)

    def perplexity_of(weights: Path) -> float:
        model.load_weights(weights)
        session.model.set_weights(model.get_weights())
        dataset = session.validation_pipeline.dataset
        return session.model.evaluate(dataset, verbose=0, return_dict=True)["perplexity"]

    path, words = choose_weights(run, recipe, session.index, perplexity_of)
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


def _end_session(session: TrainingSession, status: str, first_step: int, seconds: float) -> None:
    """Enters how this session ended in `run.json`."""
    sessions = session.run.read_information().get("sessions", [])
    entry = {
        "status": status,
        "from_step": first_step,
        "to_step": session.steps.step,
        "seconds": seconds,
        "devices": [device.name for device in tf.config.list_logical_devices()],
    }
    session.run.write_information(status, step=session.run.last_step(), sessions=[*sessions, entry])
