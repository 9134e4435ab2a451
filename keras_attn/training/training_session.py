"""The objects of one training session, and its plan."""

import dataclasses
import math
import time

import numpy as np
import tensorflow as tf
from rich.console import Console

from keras_attn.models import Seq2SeqModel
from keras_attn.training.callbacks import StepCounter, Throughput
from keras_attn.training.prepare_data import TrainingData
from keras_attn.training.recipe.recipe import Recipe
from keras_attn.training.recipe.training_recipe import TrainingRecipe
from keras_attn.training.replicas.workers import Workers
from keras_attn.training.run.checkpoint_index import CheckpointIndex
from keras_attn.training.run.run_directory import RunDirectory


@dataclasses.dataclass(frozen=True)
class StepPlan:
    """The number of updates of a run. All counts are multiples of `steps_per_execution`.

    Args:
        validate_every_steps: int. Updates between two validations.
        last_step: int or None. The last update; None if only time ends training.
        limit: str. The field of the recipe that `last_step` comes from, with its value.

    Example:

    >>> StepPlan.of(TrainingRecipe(max_epochs=2, steps_per_execution=8), steps_per_epoch=11)
    StepPlan(validate_every_steps=16, last_step=24, limit='max_epochs = 2')
    """

    validate_every_steps: int
    last_step: int | None
    limit: str

    @classmethod
    def of(cls, recipe: TrainingRecipe, steps_per_epoch: int) -> "StepPlan":
        """Makes the plan of a recipe whose epochs have `steps_per_epoch` updates."""

        def whole_calls(steps: int) -> int:
            return math.ceil(steps / recipe.steps_per_execution) * recipe.steps_per_execution

        limits: dict[str, int] = {}
        if recipe.max_steps is not None:
            limits[f"max_steps = {recipe.max_steps}"] = recipe.max_steps
        if recipe.max_epochs is not None:
            limits[f"max_epochs = {recipe.max_epochs:g}"] = math.ceil(
                recipe.max_epochs * steps_per_epoch
            )
        interval = whole_calls(recipe.validate_every_steps or steps_per_epoch)
        if not limits:
            return cls(interval, None, "")
        lowest = min(limits, key=limits.__getitem__)
        return cls(interval, whole_calls(limits[lowest]), lowest)


@dataclasses.dataclass(kw_only=True)
class TrainingSession:
    """All objects that one call of `train` uses; made by `prepare_session`.

    Args:
        recipe: Recipe. The resolved recipe.
        run: RunDirectory. The output directory.
        console: rich Console. Where progress is shown.
        strategy: tf.distribute.Strategy. The model was made in its scope.
        workers: Workers. The workers that train together.
        data: TrainingData. Pairs, vocabularies, batches.
        model: Seq2SeqModel. Compiled, with the weights to start from.
        index: CheckpointIndex. The run's checkpoints.
        steps: StepCounter. It starts at the step to start from.
        throughput: Throughput. It measures the speed.
        plan: StepPlan. The number of updates.
        state: dict of str to array. The running metrics of the checkpoint resumed from.
        ended_by: str. The cause of the end of training; empty before.
        started: float. When the session was made, by `time.monotonic`.
    """

    recipe: Recipe
    run: RunDirectory
    console: Console
    strategy: tf.distribute.Strategy
    workers: Workers
    data: TrainingData
    model: Seq2SeqModel
    index: CheckpointIndex
    steps: StepCounter
    throughput: Throughput
    plan: StepPlan
    state: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    ended_by: str = ""
    started: float = dataclasses.field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Seconds since the session was made."""
        return time.monotonic() - self.started

    @property
    def was_cut(self) -> bool:
        """Whether the time limit ended training before its planned number of updates."""
        return (
            self.ended_by.startswith("max_minutes")
            and self.plan.last_step is not None
            and self.steps.step < self.plan.last_step
        )
