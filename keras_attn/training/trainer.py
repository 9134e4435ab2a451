"""`train`: from a recipe to a run directory with a translator in it."""

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from rich.console import Console

from keras_attn.training.callbacks.history_writer import read_validations
from keras_attn.training.finish import finish
from keras_attn.training.fit_session import FitSession
from keras_attn.training.prepare_session import prepare_session
from keras_attn.training.recipe.recipe import Recipe
from keras_attn.training.replicas.workers import WorkerLostError
from keras_attn.training.run.run_directory import RunDirectory
from keras_attn.training.show_line import show_line
from keras_attn.training.stop_signals import StopSignals
from keras_attn.training.training_session import TrainingSession
from keras_attn.translator import Translator


@dataclasses.dataclass(frozen=True)
class TrainingResult:
    """The outcome of `train`.

    Args:
        run: Path. The directory of the run, which contains all of this.
        translator: Translator. With the final weights (averaged, or the best).
        history: list of dict. One entry per validation, as in `history.jsonl`.
        steps: int. Updates made, over all sessions.
        seconds: float. Wall-clock seconds of this session, from start to finish.
        target_tokens_per_second: float. Real target tokens per second of this session's training
            steps, compilation included; 0 if it made none.
        report: dict. The contents of `report.json`: validation and test scores with their
            signatures, speed with and without compilation, what was filtered.

    Example:

    >>> [field.name for field in dataclasses.fields(TrainingResult)][:3]
    ['run', 'translator', 'history']
    """

    run: Path
    translator: Translator
    history: list[dict[str, Any]]
    steps: int
    seconds: float
    target_tokens_per_second: float
    report: dict[str, Any]


def train(
    recipe: Recipe | str | os.PathLike | None,
    output: str | os.PathLike,
    resume: bool = False,
    progress: bool = True,
    console: Console | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    accept_changed_data: bool = False,
) -> TrainingResult:
    """Trains the model of a recipe and writes a run directory with a translator.

    Everything that can fail is tried before the first update. The model is trained by `model.fit`
    inside the strategy's scope; a Keras epoch is the updates between two validations. Checkpoints
    contain the whole state of training. A run that was interrupted or killed continues from the
    last one, and ends with the same weights (bit for bit on one CPU).

    With several workers, every worker calls this function with the same arguments. The workers
    share the run directory, and only the first one, the chief, writes to it.

    Args:
        recipe: Recipe, name of a recipe, or path of a `.toml` file. None to resume a run with its
            own recipe.
        output: path. The run directory: new, empty, or, with `resume`, a run.
        resume: bool. Continue the run in `output`, if there is one. Data, tokenizer and model must
            be the same; `[training]`, except seed and dtype policy, and `[decoding]` may differ.
        progress: bool. Whether to show progress and reports.
        console: rich Console or None. Where to show them; standard error by default.
        callbacks: sequence of keras callbacks. Called after the built-in ones.
        accept_changed_data: bool. Whether to resume although the pairs have changed.

    Returns:
        TrainingResult.

    Raises:
        ValueError: if the recipe, the data or the output directory is invalid.
        NonFiniteLossError: if the loss or the gradient becomes NaN or infinite; that update is not
            made, and the weights before it are saved.
        CheckpointError: if a checkpoint cannot be written; earlier ones are kept.
        WorkerLostError: if another worker ends before the training does.
        KeyboardInterrupt: after SIGINT or SIGTERM; a checkpoint is written first. After a signal
            in the last validation, a run that a callback has ended is finished.

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
        with _record_end(session):
            FitSession(session, signals, callbacks).run()
            if session.workers.is_chief:  # now, because a killed process records nothing
                run.write_information("unfinished", ended_by=session.ended_by)
            finish(session)
    return _result(session)


@contextlib.contextmanager
def _record_end(session: TrainingSession) -> Iterator[None]:
    """Records in `run.json` how the session ended, even after an exception."""
    first_step, status = session.steps.step, "finished"
    try:
        yield
    except BaseException as error:
        is_interrupt = isinstance(error, KeyboardInterrupt)
        status = "interrupted" if is_interrupt else "failed"
        if session.ended_by:  # training ended, but the translator was not saved and scored
            status = "unfinished"
        shown = "interrupted" if is_interrupt else status
        show_line(session.console, f"{shown}: {_resume_hint(session)}")
        if session.workers.count > 1 and isinstance(error, tf.errors.OpError):
            raise WorkerLostError(str(error)) from error
        raise
    finally:
        if session.workers.is_chief:
            with contextlib.suppress(OSError):  # a full disk has already been reported
                _append_session(session, status, first_step)


def _append_session(session: TrainingSession, status: str, first_step: int) -> None:
    """Adds an entry for this session to `run.json`."""
    sessions = session.run.read_information().get("sessions", [])
    entry = {
        "status": status,
        "from_step": first_step,
        "to_step": session.steps.step,
        "seconds": session.seconds,
        "devices": [device.name for device in tf.config.list_logical_devices()],
    }
    session.run.write_information(
        status,
        step=session.run.last_step(),
        sessions=[*sessions, entry],
        ended_by=session.ended_by,
    )


def _resume_hint(session: TrainingSession) -> str:
    """The step that is saved, and the command that continues from it."""
    saved = session.run.last_step()
    if not saved:
        return "no step is saved yet; start again with the same command"
    return (
        f"step {saved:,} is saved in {session.run.path}; continue with "
        f"keras-attn train --output {session.run.path} --resume"
    )


def _result(session: TrainingSession) -> TrainingResult:
    run = session.run
    return TrainingResult(
        run=run.path,
        translator=Translator.load(run.translator),
        history=read_validations(run.history),
        steps=session.steps.step,
        seconds=session.seconds,
        target_tokens_per_second=session.throughput.tokens_per_second,
        report=json.loads(run.report.read_text(encoding="utf-8")),
    )
