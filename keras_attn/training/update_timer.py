"""Times the updates of a recipe before a run."""

import dataclasses
import math
import time

import tensorflow as tf

from keras_attn.data import Corpus, TrainingPipeline, training_pipeline
from keras_attn.training.callbacks import Pace, StepCounter
from keras_attn.training.prepare_session import make_model
from keras_attn.training.recipe.recipe import Recipe
from keras_attn.training.replicas.distribute_batches import distribute_batches
from keras_attn.training.step_plan import StepPlan
from keras_attn.training.tokenizer_pair import TokenizerPair

_TIMED_PAIRS = 20_000


@dataclasses.dataclass(frozen=True)
class Timing:
    """What a few updates took.

    Args:
        step_seconds: float. Seconds of an update, without the first one.
        compile_seconds: float. What a run compiles for, predicted from the first one.

    Example:

    >>> Timing(step_seconds=0.5, compile_seconds=20.0).updates_within(60.0)
    80.0
    """

    step_seconds: float
    compile_seconds: float

    def updates_within(self, seconds: float) -> float:
        """Returns the number of updates of a run of so many seconds."""
        return max(0.0, seconds - self.compile_seconds) / self.step_seconds


@dataclasses.dataclass(frozen=True)
class UpdateTimer:
    """Makes and times the first updates of recipes for one corpus.

    Args:
        train: Corpus. The pairs to train on.
        tokenizers: TokenizerPair. Their tokenizers.
        strategy: tf.distribute.Strategy. The devices.
        num_steps: int. The updates that are timed.
    """

    train: Corpus
    tokenizers: TokenizerPair
    strategy: tf.distribute.Strategy
    num_steps: int = 10

    def steps_per_epoch(self, recipe: Recipe) -> int:
        """Returns the updates of a pass over the pairs."""
        return self._pipeline(recipe, self.train, recipe.training.num_buckets).steps_per_epoch

    def __call__(self, recipe: Recipe) -> Timing:
        """Makes updates of one shape, so that only the first one compiles."""
        model, _ = make_model(recipe, self.tokenizers, self.strategy)
        steps = StepCounter()
        pace = Pace(steps, StepPlan(self.num_steps, None, ""))
        pipeline = self._pipeline(recipe, self.train.take(_TIMED_PAIRS), num_buckets=1)
        batches = distribute_batches(pipeline, self.strategy, 0)
        begin = time.monotonic()
        model.fit(
            batches,
            steps_per_epoch=self.num_steps,
            callbacks=[steps, pace],
            shuffle=False,
            verbose=0,
        )
        seconds = time.monotonic() - begin
        first = max(0.0, seconds - self.num_steps * pace.step_seconds)
        # XLA compiles for every shape. The plain graph is traced for one shape, and then for any.
        times = recipe.training.num_buckets if recipe.training.jit_compile else 2
        return Timing(pace.step_seconds, times * first)

    def _pipeline(self, recipe: Recipe, corpus: Corpus, num_buckets: int) -> TrainingPipeline:
        return training_pipeline(
            corpus,
            self.tokenizers.source,
            self.tokenizers.target,
            global_batch_tokens=recipe.training.global_batch_tokens,
            max_source_tokens=recipe.data.max_source_tokens,
            max_target_tokens=recipe.data.max_target_tokens,
            num_buckets=num_buckets,
            rows_multiple=math.lcm(8, self.strategy.num_replicas_in_sync),
            repeat=True,
        )
