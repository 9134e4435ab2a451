"""The built-in callbacks of a session, in the groups in which they are called."""

import keras

from keras_attn.training.callbacks import (
    AveragedWeights,
    CheckpointWriter,
    EarlyStopping,
    HistoryWriter,
    Pace,
    ProgressDisplay,
    RestoredMetrics,
    RunPlanner,
    SampleTranslations,
    StepLimit,
    StopOnNonFiniteLoss,
    TimeLimit,
    ValidationScores,
)
from keras_attn.training.model_setup import make_translator
from keras_attn.training.show_line import show_line
from keras_attn.training.training_session import TrainingSession
from keras_attn.training.update.planned_schedule import PlannedSchedule


def make_pace(session: TrainingSession) -> Pace:
    """Makes the measurement of the time of updates and validations.

    Args:
        session: TrainingSession. The session to train.

    Returns:
        Pace.
    """
    return Pace(session.steps, session.plan, session.data.validation.steps_per_epoch)


def make_display(session: TrainingSession, pace: Pace) -> ProgressDisplay:
    """Makes the progress display.

    Args:
        session: TrainingSession. The session to train.
        pace: Pace. It predicts the time that is left.

    Returns:
        ProgressDisplay.
    """
    minutes = session.recipe.training.max_minutes
    return ProgressDisplay(
        session.console,
        session.steps,
        session.throughput,
        session.plan,
        None if minutes is None else 60.0 * minutes,
        pace,
    )


def counting_callbacks(session: TrainingSession, pace: Pace) -> list[keras.callbacks.Callback]:
    """Makes the callbacks that count updates and stop training. They are called first.

    Args:
        session: TrainingSession. The session to train.
        pace: Pace. It measures the time of updates and validations.

    Returns:
        list of keras callbacks.
    """
    settings, steps = session.recipe.training, session.steps
    result: list[keras.callbacks.Callback] = [
        steps,
        RestoredMetrics(session.state),
        session.throughput,
        pace,
        StopOnNonFiniteLoss(steps),
    ]
    time_limit = None
    if settings.max_minutes is not None:
        time_limit = TimeLimit(settings.max_minutes, session.workers)
        result.append(time_limit)
    schedule = session.model.optimizer.schedule
    if isinstance(schedule, PlannedSchedule):
        planner = RunPlanner(
            schedule,
            session.plan,
            steps,
            pace,
            settings.decay_share,
            time_limit,
            session.workers,
            lambda line: show_line(session.console, line),
        )
        result.append(planner)
    result.append(StepLimit(steps, session.plan))
    return result


def validating_callbacks(
    session: TrainingSession, display: ProgressDisplay
) -> list[keras.callbacks.Callback]:
    """Makes the callbacks that score the model and show sample translations.

    Args:
        session: TrainingSession. The session to train.
        display: ProgressDisplay. It shows the scores.

    Returns:
        list of keras callbacks.
    """
    settings, run = session.recipe.training, session.run
    search = "greedy" if settings.bleu_search == "greedy" else None
    translator = make_translator(session.recipe, session.model, session.data.tokenizers, search)
    validation = session.data.corpora.validation
    result: list[keras.callbacks.Callback] = []
    if settings.bleu_sentences:
        some = validation.take(settings.bleu_sentences)
        references = [list(some.targets)]
        result.append(
            ValidationScores(
                translator,
                some.sources,
                references,
                session.workers,
                session.recipe.bleu_tokenizer,
            )
        )
    result.append(display)
    if settings.sample_sentences and session.workers.is_chief:
        some = validation.take(settings.sample_sentences)
        result.append(
            SampleTranslations(
                translator.translate_detailed,
                some.sources,
                some.targets,
                run.samples,
                session.steps,
                lambda line: show_line(session.console, line),
            )
        )
    return result


def saving_callbacks(
    session: TrainingSession, writer: CheckpointWriter
) -> list[keras.callbacks.Callback]:
    """Makes the callbacks that save. They are called last, so they save the results of the others.

    Args:
        session: TrainingSession. The session to train.
        writer: CheckpointWriter. It saves the weights.

    Returns:
        list of keras callbacks.
    """
    settings, run = session.recipe.training, session.run
    result: list[keras.callbacks.Callback] = []
    if settings.ema_decay is not None:
        result.append(AveragedWeights())
    result.append(
        HistoryWriter(
            run.history,
            session.steps,
            session.throughput,
            settings.log_every_steps,
            session.plan.validate_every_steps,
            session.workers,
        )
    )
    result.append(writer)
    if settings.tensorboard and session.workers.is_chief:
        result.append(keras.callbacks.TensorBoard(run.tensorboard))
    return result


def make_early_stopping(session: TrainingSession) -> EarlyStopping | None:
    """Makes the callback for early stopping.

    Args:
        session: TrainingSession. The session to train.

    Returns:
        EarlyStopping, or None if the recipe does not ask for it.
    """
    patience, index = session.recipe.training.early_stopping_patience, session.index
    if patience is None:
        return None
    # Only the chief decides, and it has written `run.json`.
    after_step = session.run.validation_changed_at if session.workers.is_chief else 0
    return EarlyStopping(
        session.run.history,
        index.monitor,
        index.higher_is_better,
        patience,
        after_step,
        session.workers,
    )
