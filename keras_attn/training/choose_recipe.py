"""Chooses the recipe of a corpus: vocabulary, limits, and the model that its time allows."""

import dataclasses
import math
import time
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from keras_attn.data import CleaningReport, Corpus, TrainingPipeline, training_pipeline
from keras_attn.data.token_sequences import TokenSequences
from keras_attn.training.callbacks import Pace, StepCounter
from keras_attn.training.fit_tokenizers import fit_tokenizers
from keras_attn.training.prepare_session import make_model
from keras_attn.training.recipe.recipe import Recipe
from keras_attn.training.recipe.suggest_recipe import (
    find_rule,
    learns_enough,
    smaller_rule,
    suggest_recipe,
    suggest_tokenizer,
    token_limit,
    validation_interval,
)
from keras_attn.training.replicas.distribute_batches import distribute_batches
from keras_attn.training.replicas.strategies import get_strategy
from keras_attn.training.step_plan import StepPlan
from keras_attn.training.tokenizer_pair import TokenizerPair

_TIMED_STEPS, _TIMED_PAIRS = 10, 20_000
_FEWEST_UPDATES = 1500  # however few pairs there are
# If XLA compiles for a larger share of the time than this, the plain graph is timed as well.
_SMALL_SHARE = 0.05
# Without XLA, another shape costs nothing, and leaves less padding.
_WITHOUT_XLA = {"training.jit_compile": False, "training.num_buckets": 8}


@dataclasses.dataclass(frozen=True)
class Timing:
    """What ten updates took.

    Args:
        step_seconds: float. Seconds of an update, without the first one.
        compile_seconds: float. What a run compiles for, predicted from the first one.
    """

    step_seconds: float
    compile_seconds: float

    def updates_within(self, seconds: float) -> float:
        """The updates of a run of so many seconds."""
        return max(0.0, seconds - self.compile_seconds) / self.step_seconds


def choose_recipe(
    splits: dict[str, Corpus],
    report: CleaningReport,
    data: dict[str, Any],
    minutes: float,
    show: Callable[[str], None],
) -> tuple[Recipe, float, float]:
    """Chooses the largest model of the rules that learns enough in the time.

    The vocabulary is made once: it depends on the corpus, and not on the model.

    Args:
        splits: dict. The pairs of `train` and `validation`.
        report: CleaningReport. Scripts of the corpus.
        data: dict. The fields of `[data]` that name the files.
        minutes: float. How long training may take.
        show: function of one line. Where to show progress.

    Returns:
        The recipe, seconds of an update, and the passes over the pairs that fit into the time.

    Raises:
        ValueError: if no vocabulary can be made of the texts.
    """
    train, num_validation = splits["train"], len(splits["validation"])
    rule = find_rule(len(train))
    strategy = get_strategy("auto")
    show("making the vocabulary")
    tokenizer, pair = fit_tokenizers(suggest_tokenizer(rule, report), train)
    limits = _token_limits(train, pair)
    recipe = suggest_recipe(rule, tokenizer, limits, data, minutes, num_validation)
    show(f"timing {_TIMED_STEPS} updates of {_sizes(recipe)}")
    changes, timing = _time_with_xla_or_without(recipe, train, pair, strategy, show)
    recipe = recipe.override(changes)
    steps_per_epoch = _pipeline(recipe, train, pair, strategy).steps_per_epoch
    while True:
        passes = timing.updates_within(60.0 * minutes) / steps_per_epoch
        smaller = smaller_rule(rule, len(train))
        if learns_enough(passes, rule) or smaller is None:
            break
        rule = smaller
        recipe = suggest_recipe(rule, tokenizer, limits, data, minutes, num_validation)
        recipe = recipe.override(changes)
        show(f"timing {_TIMED_STEPS} updates of {_sizes(recipe)}")
        timing = _timed(recipe, train, pair, strategy)
    most = max(rule.passes, math.ceil(_FEWEST_UPDATES / steps_per_epoch))
    passes = min(passes, most)
    steps, seconds = round(passes * steps_per_epoch), timing.step_seconds
    cost = (
        f"{max(steps * seconds / 60.0, 1.0):,.0f} minutes on the machine where this was written: "
        f"{steps:,} updates of {seconds:.2g} seconds, {passes:.1f} passes over the pairs"
    )
    interval = validation_interval(steps, steps_per_epoch, minutes, num_validation)
    recipe = recipe.override(
        {"training.max_epochs": float(most), "training.validate_every_steps": interval}
    )
    return dataclasses.replace(recipe, cost=cost), seconds, passes


def _token_limits(train: Corpus, pair: TokenizerPair) -> tuple[int, int]:
    """The longest source and the longest target to train on, end tokens not counted."""
    sides = ((train.sources, pair.source), (train.targets, pair.target))
    source, target = (
        token_limit(TokenSequences.encode(texts, tokenizer).lengths - 1)
        for texts, tokenizer in sides
    )
    return source, target


def _pipeline(
    recipe: Recipe,
    train: Corpus,
    pair: TokenizerPair,
    strategy: tf.distribute.Strategy,
    num_buckets: int | None = None,
) -> TrainingPipeline:
    """The training batches of a recipe, perhaps of fewer shapes."""
    return training_pipeline(
        train,
        pair.source,
        pair.target,
        global_batch_tokens=recipe.training.global_batch_tokens,
        max_source_tokens=recipe.data.max_source_tokens,
        max_target_tokens=recipe.data.max_target_tokens,
        num_buckets=num_buckets or recipe.training.num_buckets,
        rows_multiple=math.lcm(8, strategy.num_replicas_in_sync),
        repeat=True,
    )


def _sizes(recipe: Recipe) -> str:
    model = recipe.model.overrides
    return f"{model['num_layers']} layers of width {model['hidden_dim']}"


def _time_with_xla_or_without(
    recipe: Recipe,
    train: Corpus,
    pair: TokenizerPair,
    strategy: tf.distribute.Strategy,
    show: Callable[[str], None],
) -> tuple[dict[str, Any], Timing]:
    """What to change so that the run has the most updates, and the timing of them.

    The plain graph, which needs more memory, is timed only if compiling takes a good share of the
    run. A smaller model compiles for as long, so the answer holds for the smaller ones as well.
    """
    compiled = _timed(recipe, train, pair, strategy)
    seconds = 60.0 * (recipe.training.max_minutes or 0.0)
    if compiled.compile_seconds <= _SMALL_SHARE * seconds:
        return {}, compiled
    compiling = f"which would compile for {compiled.compile_seconds:.0f} s"
    show(f"timing {_TIMED_STEPS} updates without XLA, {compiling}")
    plain = _timed(recipe.override(_WITHOUT_XLA), train, pair, strategy)
    if compiled.updates_within(seconds) >= plain.updates_within(seconds):
        return {}, compiled
    return _WITHOUT_XLA, plain


def _timed(
    recipe: Recipe, train: Corpus, pair: TokenizerPair, strategy: tf.distribute.Strategy
) -> Timing:
    """Makes ten updates of one shape, so that only the first one compiles."""
    model, _ = make_model(recipe, pair, strategy)
    steps = StepCounter()
    pace = Pace(steps, StepPlan(_TIMED_STEPS, None, ""))
    pipeline = _pipeline(recipe, train.take(_TIMED_PAIRS), pair, strategy, num_buckets=1)
    batches = distribute_batches(pipeline, strategy, 0)
    begin = time.monotonic()
    model.fit(
        batches,
        steps_per_epoch=_TIMED_STEPS,
        callbacks=[steps, pace],
        shuffle=False,
        verbose=0,
    )
    first = max(0.0, time.monotonic() - begin - _TIMED_STEPS * pace.step_seconds)
    # XLA compiles for every shape. The plain graph is traced for one shape, and then for any.
    times = recipe.training.num_buckets if recipe.training.jit_compile else 2
    return Timing(pace.step_seconds, times * first)
