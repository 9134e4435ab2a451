"""What one training works with."""

import dataclasses

import numpy as np
import tensorflow as tf
from rich.console import Console

from keras_attn.data import TrainingPipeline
from keras_attn.models import Seq2SeqModel
from keras_attn.training.callbacks import StepCounter, Throughput
from keras_attn.training.load_corpora import Corpora
from keras_attn.training.recipe.recipe import Recipe
from keras_attn.training.replicas.workers import Workers
from keras_attn.training.run.checkpoint_index import CheckpointIndex
from keras_attn.training.run.run_directory import RunDirectory
from keras_attn.training.tokenizer_pair import TokenizerPair


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

    @property
    def was_cut(self) -> bool:
        """Whether the time limit ended a training that has a number of updates to make."""
        return (
            self.ended_by.startswith("max_minutes")
            and self.max_steps is not None
            and self.steps.step < self.max_steps
        )
