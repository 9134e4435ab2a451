"""Everything before the first update of a training: checks, data, tokenizer, model, checkpoint."""

import dataclasses
import importlib.util
import math
import os
import shutil
from typing import Any

import keras
from rich.console import Console

from keras_attn import decoding
from keras_attn.data import TrainingPipeline, training_pipeline
from keras_attn.evaluation import SPLITS_AT_SPACES, find_bleu_tokenizer, unspaced_notes
from keras_attn.lines.json_records import read_noted_records
from keras_attn.training.callbacks import StepCounter, Throughput
from keras_attn.training.load_corpora import Corpora, load_corpora
from keras_attn.training.model_setup import build_model, check_model, compile_model
from keras_attn.training.recipe.recipe import Recipe
from keras_attn.training.replicas.strategies import get_strategy
from keras_attn.training.replicas.workers import Workers
from keras_attn.training.resume import check_data, resolve_recipe, restore
from keras_attn.training.run.checkpoint_index import CheckpointIndex
from keras_attn.training.run.run_directory import RunDirectory
from keras_attn.training.show_line import show_line
from keras_attn.training.tokenizer_pair import TokenizerPair
from keras_attn.training.training_session import StepPlan, TrainingSession
from keras_attn.training.update.perplexity import Perplexity

_HIGHER_IS_BETTER = ("token_accuracy", "bleu")


def prepare_session(
    recipe: Recipe | str | os.PathLike | None,
    run: RunDirectory,
    resume: bool,
    console: Console,
    accept_changed_data: bool = False,
) -> TrainingSession:
    """Does all that can fail, cheapest first, and only then writes into the run directory.

    Of several workers the chief writes, and shows what there is to show.

    Args:
        recipe: Recipe, name, path, or None for the recipe of the run to be resumed.
        run: RunDirectory. The output.
        resume: bool. Whether to continue the run.
        console: rich Console. Where reports are shown.
        accept_changed_data: bool. Whether to continue a run on other pairs than it was started on.

    Returns:
        TrainingSession.

    Raises:
        ValueError: if anything is not as it must be; then nothing was written.
    """
    run.check_may_train(resume)
    recipe = resolve_recipe(recipe, run, resume)
    settings = recipe.training
    strategy = get_strategy(settings.strategy)  # several workers: before any operation runs
    workers = Workers(strategy)
    _check_recipe(recipe)
    console.quiet = console.quiet or not workers.is_chief
    corpora = load_corpora(recipe.data, settings.seed)
    for corpus in (corpora.train, corpora.validation):
        for note in corpus.notes:
            show_line(console, f"{corpus.name}: {note}")
    _check_bleu(recipe, corpora, console)
    tokenizers = _find_tokenizers(recipe, run, corpora, console)
    train_pipeline, validation_pipeline = _make_pipelines(
        recipe, corpora, tokenizers, strategy.num_replicas_in_sync
    )
    show_line(console, f"training pairs: {train_pipeline.report}")
    show_line(console, f"validation pairs: {validation_pipeline.report}")
    fingerprints = {
        "train": train_pipeline.fingerprint,
        "validation": validation_pipeline.fingerprint,
    }
    first_step = run.last_step()
    if first_step and not accept_changed_data:
        check_data(run, fingerprints)
    workers.check_same("recipe", repr(recipe))
    workers.check_same("data and tokenizer", repr(fingerprints))
    workers.check_same("the step to start from", str(first_step))
    keras.utils.set_random_seed(settings.seed)
    with strategy.scope():
        model = build_model(recipe, tokenizers)
        perplexity = Perplexity()
        compile_model(model, settings, perplexity)
    session = TrainingSession(
        recipe=recipe,
        run=run,
        console=console,
        strategy=strategy,
        workers=workers,
        corpora=corpora,
        tokenizers=tokenizers,
        train_pipeline=train_pipeline,
        validation_pipeline=validation_pipeline,
        model=model,
        index=_open_index(run, recipe),
        steps=StepCounter(first_step),
        throughput=Throughput(perplexity),
        plan=StepPlan.of(settings, train_pipeline.steps_per_epoch),
    )
    if first_step:
        restore(session)
        for note in read_noted_records(run.history)[1]:
            show_line(console, note)
    workers.wait()  # until all have read what the chief now changes
    if workers.is_chief:
        _begin(session, fingerprints)
    return session


def _check_recipe(recipe: Recipe) -> None:
    """Tries what needs no data."""
    if recipe.training.tensorboard and importlib.util.find_spec("tensorboard") is None:
        raise ValueError(
            "`training.tensorboard` needs a package that is missing: pip install tensorboard. "
            "Received: true"
        )
    if recipe.training.bleu_sentences or recipe.data.test is not None:
        find_bleu_tokenizer(
            recipe.training.bleu_tokenizer, recipe.data.target_language, "training.bleu_tokenizer"
        )
    decoding.get({"class_name": recipe.decoding.class_name, "config": recipe.decoding.config})
    check_model(recipe)


def _check_bleu(recipe: Recipe, corpora: Corpora, console: Console) -> None:
    """Says where BLEU will mean nothing; refuses to choose the best checkpoint by it unasked."""
    if recipe.bleu_tokenizer not in SPLITS_AT_SPACES:
        return
    settings = recipe.training
    scored = [corpora.validation] if settings.bleu_sentences else []
    scored += [corpora.test] if corpora.test is not None else []
    for corpus in scored:
        note = next(iter(unspaced_notes(corpus.targets, recipe.bleu_tokenizer)), "")
        if note and settings.selection_metric == "bleu" and settings.bleu_tokenizer is None:
            raise ValueError(
                "`training.bleu_tokenizer` must be given for training.selection_metric = 'bleu' "
                "where targets have no spaces between words: BLEU would be 0 at every validation. "
                f"Received: none, so {recipe.bleu_tokenizer} for data.target_language = "
                f"{recipe.data.target_language!r}. Set that to the language of {corpus.name!r}, or "
                "the tokenizer to zh, ja-mecab or char."
            )
        if note:
            show_line(console, f"{corpus.name}: {note}")


def _find_tokenizers(
    recipe: Recipe, run: RunDirectory, corpora: Corpora, console: Console
) -> TokenizerPair:
    """The tokenizers of the run to be resumed, or new ones."""
    if run.tokenizer.is_dir() and run.last_step():
        return TokenizerPair.load(run.tokenizer)
    show_line(console, f"making the tokenizer ({recipe.tokenizer.kind})")
    return TokenizerPair.train(recipe.tokenizer, corpora.train)


def _begin(session: TrainingSession, fingerprints: dict[str, str]) -> None:
    """Writes into the run directory what a training needs to be resumed."""
    run, step = session.run, session.steps.step
    run.tidy()
    run.write_information("running", step=step, data=fingerprints)
    # So that the run may be resumed from another working directory.
    data = session.recipe.data.with_absolute_paths()
    dataclasses.replace(session.recipe, data=data).to_toml(run.recipe)
    if not step:
        shutil.rmtree(run.tokenizer, ignore_errors=True)  # of a start that left no checkpoint
        session.tokenizers.save(run.tokenizer)


def _make_pipelines(
    recipe: Recipe, corpora: Corpora, tokenizers: TokenizerPair, num_replicas: int
) -> tuple[TrainingPipeline, TrainingPipeline]:
    """The endless shuffled training batches and the validation batches."""
    options: dict[str, Any] = {
        "global_batch_tokens": recipe.training.global_batch_tokens,
        "max_source_tokens": recipe.data.max_source_tokens,
        "max_target_tokens": recipe.data.max_target_tokens,
        "num_buckets": recipe.training.num_buckets,
        # So that replicas get equal shares, and these have equal parts.
        "rows_multiple": math.lcm(8, num_replicas * recipe.training.accumulation_steps),
        "seed": recipe.training.seed,
    }
    pair = (tokenizers.source, tokenizers.target)
    return (
        training_pipeline(corpora.train, *pair, repeat=True, **options),
        training_pipeline(corpora.validation, *pair, shuffle=False, **options),
    )


def _open_index(run: RunDirectory, recipe: Recipe) -> CheckpointIndex:
    metric = recipe.training.selection_metric
    return CheckpointIndex(
        run.checkpoints,
        keep=recipe.training.keep_checkpoints,
        monitor=f"val_{metric}",
        higher_is_better=metric in _HIGHER_IS_BETTER,
    )
