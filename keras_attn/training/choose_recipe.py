"""Chooses the recipe of a corpus: vocabulary, limits, and the model and batches for its time."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

from keras_attn.data import CleaningReport, Corpus
from keras_attn.data.token_sequences import TokenSequences
from keras_attn.training.fit_tokenizers import fit_tokenizers
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
from keras_attn.training.replicas.strategies import get_strategy
from keras_attn.training.tokenizer_pair import TokenizerPair
from keras_attn.training.update_timer import Timing, UpdateTimer

# However few pairs there are. With less time than that, batches are smaller.
_FEWEST_UPDATES = 1500
_SMALLEST_BATCH = 1024  # target tokens
# If XLA compiles for a larger share of the time than this, the plain graph is timed as well.
_SMALL_SHARE = 0.05
# Without XLA, another shape costs nothing, and leaves less padding.
_WITHOUT_XLA = {"training.jit_compile": False, "training.num_buckets": 8}


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
    show("making the vocabulary")
    tokenizer, pair = fit_tokenizers(suggest_tokenizer(rule, report), train)
    limits = _token_limits(train, pair)
    choice = _Choice(UpdateTimer(train, pair, get_strategy("auto")), 60.0 * minutes, show)
    recipe = suggest_recipe(rule, tokenizer, limits, data, minutes, num_validation)
    changes, timing = choice.with_xla_or_without(recipe)
    steps_per_epoch = choice.timer.steps_per_epoch(recipe.override(changes))
    while not learns_enough(timing.updates_within(choice.seconds) / steps_per_epoch, rule):
        smaller = smaller_rule(rule, len(train))
        if smaller is None:
            break
        rule = smaller
        recipe = suggest_recipe(rule, tokenizer, limits, data, minutes, num_validation)
        timing = choice.time(recipe.override(changes))
    batch_tokens = recipe.training.global_batch_tokens
    recipe, timing = choice.with_enough_updates(recipe.override(changes), timing)
    if recipe.training.global_batch_tokens != batch_tokens:  # counting reads the whole corpus
        steps_per_epoch = choice.timer.steps_per_epoch(recipe)
    most = max(rule.passes, math.ceil(_FEWEST_UPDATES / steps_per_epoch))
    passes = min(timing.updates_within(choice.seconds) / steps_per_epoch, most)
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


@dataclasses.dataclass(frozen=True)
class _Choice:
    """Chooses what depends on the speed of the machine.

    Args:
        timer: UpdateTimer. It times recipes.
        seconds: float. How long training may take.
        show: function of one line. Where to show progress.
    """

    timer: UpdateTimer
    seconds: float
    show: Callable[[str], None]

    def time(self, recipe: Recipe, how: str = "") -> Timing:
        """Times a recipe, and says so."""
        model = recipe.model.overrides
        sizes = f"{model['num_layers']} layers of width {model['hidden_dim']}"
        self.show(f"timing {self.timer.num_steps} updates of {sizes}{how}")
        return self.timer(recipe)

    def with_xla_or_without(self, recipe: Recipe) -> tuple[dict[str, Any], Timing]:
        """What to change so that the run has the most updates, and the timing of them.

        The plain graph, which needs more memory, is timed only if compiling takes a good share of
        the run. A smaller model compiles for as long, so the answer holds for it as well.
        """
        compiled = self.time(recipe)
        if compiled.compile_seconds <= _SMALL_SHARE * self.seconds:
            return {}, compiled
        compiling = f"which would compile for {compiled.compile_seconds:.0f} s"
        plain = self.time(recipe.override(_WITHOUT_XLA), f" without XLA, {compiling}")
        if compiled.updates_within(self.seconds) >= plain.updates_within(self.seconds):
            return {}, compiled
        return _WITHOUT_XLA, plain

    def with_enough_updates(self, recipe: Recipe, timing: Timing) -> tuple[Recipe, Timing]:
        """Halves the batches of a short run: many small updates teach more than a few large."""
        while timing.updates_within(self.seconds) < _FEWEST_UPDATES:
            tokens = recipe.training.global_batch_tokens // 2
            if tokens < _SMALLEST_BATCH:
                break
            recipe = recipe.override({"training.global_batch_tokens": tokens})
            timing = self.time(recipe, f" in batches of {tokens:,} tokens")
        return recipe, timing
