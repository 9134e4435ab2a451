"""`train`: from a recipe to a run directory with a translator in it."""

import contextlib
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from rich.console import Console

from keras_attn.training.callbacks.history_writer import read_validations
from keras_attn.training.finish_run import choose_weights, make_translator, score_run
from keras_attn.training.fit_session import FitSession
from keras_attn.training.model_setup import build_model, compile_model
from keras_attn.training.prepare_session import prepare_session
from keras_attn.training.recipe.recipe import Recipe
from keras_attn.training.replicas.workers import WorkerLostError
from keras_attn.training.run.run_directory import RunDirectory, write_json
from keras_attn.training.run.training_result import TrainingResult
from keras_attn.training.show_line import show_line
from keras_attn.training.stop_signals import StopSignals
from keras_attn.training.training_session import TrainingSession
from keras_attn.translator import Translator


def train(
    recipe: Recipe | str | os.PathLike | None,
    output: str | os.PathLike,
    resume: bool = False,
    progress: bool = True,
    console: Console | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    accept_changed_data: bool = False,
) -> TrainingResult:
    """Trains the model of a recipe and leaves a run directory with a translator.

    Everything that can fail is tried before the first update. The model is trained by `model.fit`
    inside the strategy's scope; a Keras epoch is the stretch between two validations. Checkpoints
    hold all that the training depends on, and a run that was interrupted or killed continues from
    the last one to the very weights that it would have had (bit for bit on one CPU).

    Under a strategy of several workers every one of them calls this with the same arguments; they
    share the run directory, where the first one, the chief, writes.

    Args:
        recipe: Recipe, name of one, or path of a `.toml` file. None to resume with the recipe that
            the run itself holds.
        output: path. The run directory: new, empty, or, with `resume`, a run.
        resume: bool. Continue the run in `output`, if there is one. Data, tokenizer and model must
            be the same; what `[training]` and `[decoding]` say may differ.
        progress: bool. Whether to show progress and reports.
        console: rich Console or None. Where to show them; standard error by default.
        callbacks: sequence of keras callbacks. Called after the built-in ones.
        accept_changed_data: bool. Whether to resume on other pairs than the run was started on.

    Returns:
        TrainingResult.

    Raises:
        ValueError: if the recipe, the data or the output directory is not as it must be.
        NonFiniteLossError: if loss or gradient become NaN or infinite; that update is not made, and
            the weights before it are saved.
        CheckpointError: if a checkpoint cannot be written; earlier ones stay.
        WorkerLostError: if another worker ends before the training does.
        KeyboardInterrupt: after SIGINT or SIGTERM; a checkpoint is written before.

    Example:

    >>> train("phrasebook_tinny", "runs/first")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: `recipe` must be ... 'phrasebook_tinny'. Did you mean 'phrasebook_tiny'?
    """
    if console is None:
        console = Console(stderr=True, quiet=not progress)
    with StopSignals(lambda line: show_line(console, line)) as signals:
        run = RunDirectory(output)
        session = prepare_session(recipe, run, resume, console, accept_changed_data)
        return _train(session, signals, callbacks)


def _train(
    session: TrainingSession, signals: StopSignals, callbacks: Sequence[keras.callbacks.Callback]
) -> TrainingResult:
    """Trains and finishes; whatever happens, `run.json` says how the session ended."""
    started, first_step, status = time.monotonic(), session.steps.step, "failed"
    try:
        FitSession(session, signals, callbacks).run()
        status = "unfinished"
        show_line(session.console, "saving and scoring the translator")
        if session.workers.is_chief:
            _finish(session, started)
        session.workers.wait()  # a worker that leaves ends the others
        status = "finished"
    except KeyboardInterrupt:
        status = "interrupted" if status == "failed" else status
        show_line(session.console, f"interrupted: {_resume_hint(session)}")
        raise
    except BaseException as error:
        show_line(session.console, f"{status}: {_resume_hint(session)}")
        if session.workers.count > 1 and isinstance(error, tf.errors.OpError):
            raise WorkerLostError(str(error)) from error
        raise
    finally:
        if session.workers.is_chief:
            with contextlib.suppress(OSError):  # a full disk has been reported already
                _end_session(session, status, first_step, time.monotonic() - started)
    return _result(session, time.monotonic() - started)


def _finish(session: TrainingSession, started: float) -> None:
    """Chooses the weights, saves and scores the translator, and writes the report."""
    translator, scores = _choose_and_score(session)
    throughput = session.throughput
    report = {
        "recipe": session.recipe.name,
        "steps": session.steps.step,
        "ended_by": session.ended_by,
        "was_cut": session.was_cut,
        "epochs": session.steps.step / session.train_pipeline.steps_per_epoch,
        "seconds": time.monotonic() - started,
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
    write_json(session.run.report, report)
    counts = f"{session.steps.step:,} steps, ended by {session.ended_by}"
    show_line(session.console, f"finished: {session.run.path} ({counts})")
    if session.was_cut:
        show_line(session.console, _rest_hint(session))


def _result(session: TrainingSession, seconds: float) -> TrainingResult:
    run = session.run
    return TrainingResult(
        run=run.path,
        translator=Translator.load(run.translator),
        history=read_validations(run.history),
        steps=session.steps.step,
        seconds=seconds,
        target_tokens_per_second=session.throughput.tokens_per_second,
        report=json.loads(run.report.read_text(encoding="utf-8")),
    )


def _rest_hint(session: TrainingSession) -> str:
    """What a time limit cut off, and the command that makes the rest."""
    return (
        f"the time limit cut this run at {session.steps.step:,} of {session.max_steps:,} updates, "
        "so it has learned less than the recipe promises; make the others with "
        f"keras-attn train --output {session.run.path} --resume "
        "--set training.max_minutes=none"
    )


def _resume_hint(session: TrainingSession) -> str:
    """What is saved, and the command that continues from there."""
    saved = session.run.last_step()
    if not saved:
        return "no step is saved yet; start again with the same command"
    return (
        f"step {saved:,} is saved in {session.run.path}; continue with "
        f"keras-attn train --output {session.run.path} --resume"
    )


def _choose_and_score(session: TrainingSession) -> tuple[Translator, dict[str, Any]]:
    """Chooses the weights, saves them as a translator and scores it."""
    recipe, run = session.recipe, session.run
    # A copy of its own, outside the strategy and not compiled: no optimizer state in what is saved.
    model = build_model(recipe, session.tokenizers)
    judge = session.model
    if session.strategy.num_replicas_in_sync > 1:  # the other workers do not evaluate with us
        judge = build_model(recipe, session.tokenizers)
        compile_model(judge, recipe.training, int(model.get_config()["hidden_dim"]))
    validation = session.validation_pipeline.dataset

    def load(weights: Path) -> None:
        if recipe.training.ema_decay is None:
            model.load_weights(weights)
            judge.set_weights(model.get_weights())
        else:
            judge.load_weights(weights)
            judge.optimizer.swap_averages()
            model.set_weights(judge.get_weights())

    def perplexity_of(weights: Path) -> float:
        load(weights)
        return float(judge.evaluate(validation, verbose=0, return_dict=True)["perplexity"])

    path, words = choose_weights(run, recipe, session.index, perplexity_of)
    load(path)
    translator = make_translator(recipe, model, session.tokenizers)
    translator.save(run.translator)
    scores = score_run(
        recipe,
        judge,
        translator,
        validation,
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
