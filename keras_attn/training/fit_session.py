"""`model.fit` for a session: its epochs, its callbacks, and how it ends."""

import math
import signal
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_attn.training.built_in_callbacks import (
    counting_callbacks,
    make_display,
    make_early_stopping,
    make_pace,
    saving_callbacks,
    validating_callbacks,
)
from keras_attn.training.callbacks import CheckpointWriter, StopOnSignal, TimeLimit
from keras_attn.training.callbacks.history_writer import drop_validations_from
from keras_attn.training.callbacks.stop_on_non_finite_loss import NonFiniteLossError
from keras_attn.training.replicas.distribute_batches import distribute_batches
from keras_attn.training.stop_signals import StopSignals, TrainingInterrupted
from keras_attn.training.training_session import TrainingSession

_ENDLESS_EPOCHS = 10**9
_BY_CALLBACK = "a callback"


class FitSession:
    """Trains a session's model up to a limit, and saves a checkpoint at the end.

    It validates every `plan.validate_every_steps` updates, counted from the start of the run and
    not of the session. So an interrupted run validates at the same steps as an uninterrupted one.

    Args:
        session: TrainingSession. The session to train.
        signals: StopSignals. Already entered with `with`.
        extra_callbacks: sequence of keras callbacks. Called after the built-in ones.
    """

    def __init__(
        self,
        session: TrainingSession,
        signals: StopSignals,
        extra_callbacks: Sequence[keras.callbacks.Callback] = (),
    ) -> None:
        self._session = session
        self._signals = signals
        settings = session.recipe.training
        self._writer = CheckpointWriter(
            session.index, session.steps, session.workers, settings.save_every_minutes
        )
        pace = make_pace(session)
        self._display = make_display(session, pace)
        self._early_stopping = make_early_stopping(session)
        built_in = [
            *counting_callbacks(session, pace),
            *validating_callbacks(session, self._display),
            *saving_callbacks(session, self._writer),
            *([self._early_stopping] if self._early_stopping is not None else []),
        ]
        last = StopOnSignal(signals, session.workers, self._writer)
        self._callbacks = keras.callbacks.CallbackList(
            [*built_in, *extra_callbacks, last], add_history=True, model=session.model
        )

    def run(self) -> None:
        """Trains.

        Raises:
            TrainingInterrupted: if a signal arrived. A checkpoint is saved first, unless a second
                signal interrupts an update. After a signal in the last validation, a run that a
                callback has ended is finished instead.
            NonFiniteLossError: if the loss or the gradient is not finite.
        """
        session, steps = self._session, self._session.steps
        self._signals.deferred = True
        self._signals.install()
        try:
            self._validate_if_due()
            if self._has_stopped_early():
                session.ended_by = "early stopping in an earlier session"
                return
            session.model.stop_training = False
            while not (session.model.stop_training or self._is_at_limit()):
                done = steps.step % session.plan.validate_every_steps
                self._fit(session.plan.validate_every_steps - done, 1 if done else _ENDLESS_EPOCHS)
            session.ended_by = self._ended_by()
            self._stop_if_signaled()
        except KeyboardInterrupt as error:
            self._save_if_consistent(error)
            raise
        except NonFiniteLossError as error:
            raise self._with_batch(error, self._save_before(error)) from error
        finally:
            self._signals.deferred = False
            self._display.close()

    def _stop_if_signaled(self) -> None:
        """Stops after a signal during the last validation, if a resumed run would only finish.

        After a stop by a callback, it would train on. So then this session finishes.
        """
        session, received = self._session, self._signals.received
        if session.workers.any(received is not None) and session.ended_by != _BY_CALLBACK:
            raise TrainingInterrupted(received or signal.SIGTERM)

    def _is_at_limit(self) -> bool:
        limit = self._session.plan.last_step
        return limit is not None and self._session.steps.step >= limit

    def _fit(self, steps_per_epoch: int, epochs: int) -> None:
        """Trains for `epochs` epochs of `steps_per_epoch` updates; a limit may end it earlier."""
        session = self._session
        first_epoch = session.steps.step // session.plan.validate_every_steps
        if session.plan.last_step is not None:
            left = session.plan.last_step - session.steps.step
            epochs = min(epochs, math.ceil(left / steps_per_epoch))
        session.model.fit(
            distribute_batches(session.data.train, session.strategy, session.steps.step),
            steps_per_epoch=steps_per_epoch,
            initial_epoch=first_epoch,
            epochs=first_epoch + epochs,
            validation_data=self._validation_batches(),
            validation_steps=session.data.validation.steps_per_epoch,
            callbacks=self._callbacks,
            shuffle=False,  # the pipeline shuffles
            verbose=0,
        )

    def _validation_batches(self) -> Any:
        """The validation batches: an endless stream, or one that ends.

        If `steps_per_execution` does not divide their number, the last call of the test function
        would take more of an endless stream. With several replicas the stream stays endless: Keras
        3.15 failed there with several steps per call (on two CPU replicas).
        """
        session, pipeline = self._session, self._session.data.validation
        is_exact = pipeline.steps_per_epoch % session.recipe.training.steps_per_execution == 0
        if is_exact or session.strategy.num_replicas_in_sync > 1:
            return distribute_batches(pipeline, session.strategy)
        return pipeline.dataset_from(0).take(pipeline.steps_per_epoch)

    def _validate_if_due(self) -> None:
        """Validates if the last session stopped after an update and before its validation."""
        session, latest = self._session, self._session.index.latest
        step, every = session.steps.step, session.plan.validate_every_steps
        if latest is None or latest.metrics or (step % every != 0 and not self._is_at_limit()):
            return
        model, epoch = session.model, (step - 1) // every
        self._callbacks.on_train_begin()
        # The last session may have been killed after writing the records, before the checkpoint.
        if session.workers.is_chief:
            for path in (session.run.history, session.run.samples):
                drop_validations_from(path, step)
        self._callbacks.on_epoch_begin(epoch)  # restores the running metrics
        logs: dict[str, float] = {}
        if any(name.startswith("metrics/") for name in session.state):  # else they are all 0
            logs = {name: float(value) for name, value in model.get_metrics_result().items()}
        validation = model.evaluate(
            self._validation_batches(),
            steps=session.data.validation.steps_per_epoch,
            callbacks=self._callbacks,
            return_dict=True,
            verbose=0,
        )
        logs.update({f"val_{name}": value for name, value in validation.items()})
        self._callbacks.on_epoch_end(epoch, logs)
        self._callbacks.on_train_end()

    def _has_stopped_early(self) -> bool:
        if self._early_stopping is None:
            return False
        return bool(self._session.workers.from_chief(self._early_stopping.reached))

    def _ended_by(self) -> str:
        """Names the limit that ended the training."""
        if self._is_at_limit():
            return self._session.plan.limit
        if any(isinstance(one, TimeLimit) and one.reached for one in self._callbacks.callbacks):
            return self._session.clock_limit
        return "early stopping" if self._has_stopped_early() else _BY_CALLBACK

    def _save_if_consistent(self, error: KeyboardInterrupt) -> None:
        """Saves after an interrupt that a callback raised, between two updates.

        After a `TrainingInterrupted`, a checkpoint has already been saved, or must not be saved
        because the interrupt came during an update.
        """
        session = self._session
        is_alone = session.workers.count == 1 and not isinstance(error, TrainingInterrupted)
        if is_alone and session.steps.step > session.run.last_step():
            self._writer.set_model(session.model)
            self._writer.write({})

    def _save_before(self, error: NonFiniteLossError) -> bool:
        """Saves the weights from before a withheld update; returns whether they are good."""
        session, step = self._session, error.step - 1
        weights = session.model.weights
        if not (error.are_weights_good and all(map(_is_finite, weights))):
            return False
        if step > session.run.last_step():
            session.model.optimizer.withheld_updates.assign(0)
            session.steps.step = step
            self._writer.set_model(session.model)
            self._writer.write({}, with_metrics_so_far=False)
        return True

    def _with_batch(self, error: NonFiniteLossError, are_weights_good: bool) -> NonFiniteLossError:
        """Returns the error with the number of its batch in the data."""
        pipeline = self._session.data.train
        epoch, number = divmod(error.step - 1, pipeline.steps_per_epoch)
        inputs, _, _ = next(iter(pipeline.dataset_from(error.step - 1)))
        rows, length = inputs["encoder_token_ids"].shape
        batch = (
            f"batch {number + 1} of {pipeline.steps_per_epoch} in epoch {epoch + 1}, "
            f"{rows} x {length} tokens"
        )
        return NonFiniteLossError(error.step, error.loss, are_weights_good, batch, error.is_float16)


def _is_finite(weight: keras.Variable) -> bool:
    return bool(np.isfinite(keras.ops.convert_to_numpy(weight).astype("float32")).all())
