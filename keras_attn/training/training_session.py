"""The objects of one training session."""

import dataclasses
import time

import numpy as np
import tensorflow as tf
from rich.console import Console

from keras_attn.models import Seq2SeqModel
from keras_attn.training.callbacks import StepCounter, Throughput
from keras_attn.training.prepare_data import TrainingData
from keras_attn.training.recipe.recipe import Recipe
from keras_attn.training.replicas.workers import Workers
from keras_attn.training.run.checkpoint_index import CheckpointIndex
from keras_attn.training.run.run_directory import RunDirectory
from keras_attn.training.step_plan import StepPlan


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
        ended_by: str. What ended training; empty until then.
        cut_from: int or None. The recipe's last update, if the clock cut it off in an earlier
            session, which this one only finishes.
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
    cut_from: int | None = None
    started: float = dataclasses.field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Seconds since the session was made."""
        return time.monotonic() - self.started

    @property
    def clock_limit(self) -> str:
        """The name of the time limit, as in `ended_by`."""
        return f"max_minutes = {self.recipe.training.max_minutes:g}"

    @property
    def intended_last_step(self) -> int | None:
        """The last update, had the clock not cut it off; None: only the clock decides."""
        return self.cut_from or self.plan.last_step

    @property
    def was_cut(self) -> bool:
        """Whether the time limit ended training before its planned number of updates."""
        last_step = self.intended_last_step
        is_early = last_step is not None and self.steps.step < last_step
        return is_early and self.ended_by.startswith("max_minutes")

    @property
    def rest_options(self) -> str:
        """The options of `keras-attn train` that make the updates which the clock has cut off.

        An end that the clock had planned is in the checkpoint; there the rate is zero. An end that
        the recipe gives is reached without the clock.
        """
        is_planned = self.cut_from is None and self.plan.limit.startswith("max_minutes")
        return "--resume" if is_planned else "--resume --set training.max_minutes=none"
