"""Makes and compiles the model of a recipe (Sections 5.3 and 5.4)."""

import math
from typing import Any

import keras

from keras_attn.data.batching import LENGTH_MULTIPLE
from keras_attn.models import Seq2SeqModel, create_model
from keras_attn.training.recipe.recipe import Recipe
from keras_attn.training.recipe.training_recipe import TrainingRecipe
from keras_attn.training.tokenizer_pair import TokenizerPair
from keras_attn.training.update.guarded_adam import GuardedAdam
from keras_attn.training.update.label_smoothed_cross_entropy import LabelSmoothedCrossEntropy
from keras_attn.training.update.perplexity import Perplexity
from keras_attn.training.update.planned_schedule import PlannedSchedule
from keras_attn.training.update.token_accuracy import TokenAccuracy
from keras_attn.training.update.training_step import TrainingStep
from keras_attn.training.update.transformer_schedule import TransformerSchedule
from keras_attn.translator import Translator

_SMALLEST_VOCABULARY = 8

_TOKEN_IDS = keras.KerasTensor((None, None), "int32")
# The form of a batch. A checkpoint can only restore metrics that exist before the first batch.
_SYMBOLIC_BATCH = (
    {"encoder_token_ids": _TOKEN_IDS, "decoder_token_ids": _TOKEN_IDS},
    _TOKEN_IDS,
    keras.KerasTensor((None, None), "float32"),
)


def check_model(recipe: Recipe) -> None:
    """Makes the recipe's model with a tiny vocabulary, so that mistakes show before any work.

    Args:
        recipe: Recipe. The preset, its overrides and the longest sentences.

    Raises:
        ValueError: if the preset or an override is unknown or invalid, or the model has fewer
            positions than the batches of the recipe's longest sentences.
    """
    for key in ("source_vocabulary_size", "target_vocabulary_size"):
        if key in recipe.model.overrides:
            raise ValueError(
                f"`model.overrides.{key}` must be left out: it is the size of the tokenizer. "
                f"Received: {recipe.model.overrides[key]!r}. Set `tokenizer.vocabulary_size`"
            )
    model = create_model(
        recipe.model.preset,
        source_vocabulary_size=_SMALLEST_VOCABULARY,
        **recipe.model.overrides,
    )
    change = "raise `model.overrides.max_sequence_length` to {needed} or more"
    check_positions(recipe, model.max_sequence_length, "the model's", change)


def check_positions(recipe: Recipe, limit: int | None, whose: str, change: str) -> None:
    """Checks that a model has positions for the batches of a recipe's longest sentences.

    Args:
        recipe: Recipe.
        limit: int or None. The `max_sequence_length` of the model.
        whose: str. "the model's" or "the teacher's", for the error.
        change: str. What else to do, for the error, with `{needed}` for the positions needed.

    Raises:
        ValueError: if it has too few.
    """
    for side in ("source", "target"):
        longest = getattr(recipe.data, f"max_{side}_tokens")
        # The end token takes a position too, and batches are padded to a round length.
        needed = math.ceil((longest + 1) / LENGTH_MULTIPLE) * LENGTH_MULTIPLE
        if limit is not None and needed > limit:
            raise ValueError(
                f"`data.max_{side}_tokens` must be less than {whose} max_sequence_length, "
                f"{limit}, rounded down to a multiple of {LENGTH_MULTIPLE}, because batches are "
                f"padded. Received: {longest}. Lower it, or {change.format(needed=needed)}"
            )


def build_model(recipe: Recipe, tokenizers: TokenizerPair) -> Seq2SeqModel:
    """Makes the recipe's model for the vocabularies of the tokenizers, with fresh weights.

    Args:
        recipe: Recipe. The preset, its overrides and the dtype policy.
        tokenizers: TokenizerPair. The vocabularies.

    Returns:
        A built Seq2SeqModel, not compiled.
    """
    options: dict[str, Any] = {"dtype": recipe.training.dtype_policy, **recipe.model.overrides}
    options["source_vocabulary_size"] = tokenizers.source.vocabulary_size
    if not tokenizers.is_shared:
        options["target_vocabulary_size"] = tokenizers.target.vocabulary_size
    return create_model(recipe.model.preset, **options)


def make_schedule(recipe: TrainingRecipe, hidden_dim: int) -> TransformerSchedule | PlannedSchedule:
    """Makes the learning rate schedule of a recipe.

    Args:
        recipe: TrainingRecipe. Peak or scale, and warm-up.
        hidden_dim: int. The width of the model.

    Returns:
        TransformerSchedule, or PlannedSchedule if more than the highest rate differs from the
        paper.

    Example:

    >>> schedule = make_schedule(TrainingRecipe(max_steps=1, warmup_steps=4000), hidden_dim=512)
    >>> round(schedule.peak_learning_rate, 6)
    0.000699
    """
    schedule = TransformerSchedule(hidden_dim, recipe.warmup_steps, recipe.learning_rate_scale)
    if recipe.peak_learning_rate is not None:
        peak = recipe.peak_learning_rate * recipe.learning_rate_scale
        schedule = TransformerSchedule.from_peak(peak, recipe.warmup_steps)
    if recipe.schedule == "inverse_sqrt" and recipe.decay == "none":
        return schedule
    return PlannedSchedule(
        schedule.peak_learning_rate, recipe.warmup_steps, recipe.schedule, recipe.decay
    )


def compile_model(
    model: Seq2SeqModel,
    recipe: TrainingRecipe,
    perplexity: Perplexity | None = None,
    teacher: Seq2SeqModel | None = None,
) -> None:
    """Compiles a model with the paper's optimizer, schedule and loss.

    The two metrics are also computed in training. Under XLA they share the maximum, the sum and the
    gathered logit with the loss, and their cost was too small to measure (95 ms against 93 ms for
    projection, loss and gradients of 2,048 tokens, V = 8,000, on 2 CPU cores; the whole step takes
    several times as long). Outside XLA nothing is shared, and the perplexity costs about 30 ms of
    the same step.

    Args:
        model: Seq2SeqModel. Built, in the scope of its strategy.
        recipe: TrainingRecipe. How it is trained.
        perplexity: Perplexity or None. The metric to use, for a caller that reads its token count.
        teacher: Seq2SeqModel or None. What it also learns from, made in the same scope.
    """
    # Section 5.3: Adam with beta_1 = 0.9, beta_2 = 0.98, epsilon = 1e-9.
    optimizer = GuardedAdam(
        make_schedule(recipe, hidden_dim=model.get_config()["hidden_dim"]),
        beta_1=0.9,
        beta_2=0.98,
        epsilon=1e-9,
        global_clipnorm=recipe.clip_norm,
        ema_decay=recipe.ema_decay,
        scales_loss=recipe.dtype_policy == "mixed_float16",
        withhold_later_updates=True,
    )
    has_replicas = model.distribute_strategy.num_replicas_in_sync > 1
    model.compile(
        optimizer=optimizer,
        loss=LabelSmoothedCrossEntropy(recipe.label_smoothing),
        weighted_metrics=[TokenAccuracy(), perplexity or Perplexity()],
        jit_compile=recipe.jit_compile and not has_replicas,
        steps_per_execution=recipe.steps_per_execution,
        auto_scale_loss=False,
    )
    model.training_step = TrainingStep(
        model,
        recipe.accumulation_steps,
        jit_compile=recipe.jit_compile and has_replicas,
        r_drop_weight=recipe.r_drop_weight,
        teacher=teacher,
        teacher_weight=recipe.teacher_weight,
    )
    model.training_step.build(_SYMBOLIC_BATCH)


def make_translator(
    recipe: Recipe, model: Seq2SeqModel, tokenizers: TokenizerPair, decoding: Any = None
) -> Translator:
    """Makes the translator of a recipe.

    Args:
        recipe: Recipe. Limits and search.
        model: Seq2SeqModel. The model.
        tokenizers: TokenizerPair. Its vocabularies.
        decoding: a search strategy or its name, or None for the recipe's.

    Returns:
        Translator.
    """
    if decoding is None:
        decoding = {"class_name": recipe.decoding.class_name, "config": recipe.decoding.config}
    return Translator(
        model,
        tokenizers.source,
        None if tokenizers.is_shared else tokenizers.target,
        decoding=decoding,
        max_source_tokens=recipe.data.max_source_tokens,
        max_extra_tokens=recipe.decoding.max_extra_tokens,
        batch_tokens=recipe.decoding.batch_tokens,
    )
