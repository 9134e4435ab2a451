"""The data of a training run: corpora, tokenizers, batches."""

import dataclasses
import math
from typing import Any

from rich.console import Console

from keras_attn.data import TrainingPipeline, training_pipeline
from keras_attn.evaluation import SPLITS_AT_SPACES, is_unspaced, score_notes
from keras_attn.training.load_corpora import Corpora, load_corpora
from keras_attn.training.recipe.recipe import Recipe
from keras_attn.training.run.run_directory import RunDirectory
from keras_attn.training.show_line import show_line
from keras_attn.training.tokenizer_pair import TokenizerPair
from keras_attn.translator import Translator


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """The data that a model is trained and validated on.

    Args:
        corpora: Corpora. The pairs.
        tokenizers: TokenizerPair. The vocabularies.
        train: TrainingPipeline. The training batches: shuffled and endless.
        validation: TrainingPipeline. The validation batches.
    """

    corpora: Corpora
    tokenizers: TokenizerPair
    train: TrainingPipeline
    validation: TrainingPipeline

    @property
    def fingerprints(self) -> dict[str, str]:
        """The fingerprint of each split; equal pairs and tokenizers have equal fingerprints."""
        return {"train": self.train.fingerprint, "validation": self.validation.fingerprint}


def prepare_data(
    recipe: Recipe,
    run: RunDirectory,
    num_replicas: int,
    console: Console,
    trained: Translator | None = None,
) -> TrainingData:
    """Reads the pairs of a recipe, makes batches of them and shows reports.

    Args:
        recipe: Recipe. It names the pairs.
        run: RunDirectory. A resumed run contains its tokenizers.
        num_replicas: int. The number of replicas that share a batch.
        console: rich Console. Where reports are shown.
        trained: Translator or None. Whose tokenizers a new run takes.

    Returns:
        TrainingData.

    Raises:
        ValueError: if a file is missing or invalid, or checkpoints would be selected by a BLEU
            that is always 0.
    """
    corpora = load_corpora(recipe.data)
    for corpus in (corpora.train, corpora.validation):
        for note in corpus.notes:
            show_line(console, f"{corpus.name}: {note}")
    _check_bleu(recipe, corpora, console)
    tokenizers = _find_tokenizers(recipe, run, corpora, console, trained)
    train, validation = _make_pipelines(recipe, corpora, tokenizers, num_replicas)
    show_line(console, f"training pairs: {train.report}")
    show_line(console, f"validation pairs: {validation.report}")
    return TrainingData(corpora, tokenizers, train, validation)


def _check_bleu(recipe: Recipe, corpora: Corpora, console: Console) -> None:
    """Reports corpora for which BLEU is meaningless or not comparable.

    Raises ValueError if BLEU selects checkpoints and is meaningless, unless the recipe sets its
    tokenizer.
    """
    if recipe.bleu_tokenizer not in SPLITS_AT_SPACES:
        return
    settings = recipe.training
    scored = [corpora.validation] if settings.bleu_sentences else []
    scored += [corpora.test] if corpora.test is not None else []
    for corpus in scored:
        chosen_by_default = settings.selection_metric == "bleu" and settings.bleu_tokenizer is None
        if chosen_by_default and is_unspaced(corpus.targets):
            raise ValueError(
                "`training.bleu_tokenizer` must be given for training.selection_metric = 'bleu' "
                "if targets have no spaces between words: BLEU would be 0 at every validation. "
                f"Received: none, which means {recipe.bleu_tokenizer} for data.target_language = "
                f"{recipe.data.target_language!r}. Set `data.target_language` to the language of "
                f"{corpus.name!r}, or `training.bleu_tokenizer` to zh, ja-mecab or char."
            )
        for note in score_notes(corpus.targets, recipe.bleu_tokenizer)[:1]:  # the one about BLEU
            show_line(console, f"{corpus.name}: {note}")


def _find_tokenizers(
    recipe: Recipe,
    run: RunDirectory,
    corpora: Corpora,
    console: Console,
    trained: Translator | None,
) -> TokenizerPair:
    """Loads the tokenizers of a resumed run, takes those of a translator, or trains new ones."""
    if run.tokenizer.is_dir() and run.last_step():
        return TokenizerPair.load(run.tokenizer)
    if trained is not None:
        name = recipe.model.start_from or recipe.training.teacher
        show_line(console, f"the tokenizers are those of {name}")
        return TokenizerPair(trained.source_tokenizer, trained.target_tokenizer)
    show_line(console, f"making the tokenizer ({recipe.tokenizer.kind})")
    return TokenizerPair.train(recipe.tokenizer, corpora.train)


def _make_pipelines(
    recipe: Recipe, corpora: Corpora, tokenizers: TokenizerPair, num_replicas: int
) -> tuple[TrainingPipeline, TrainingPipeline]:
    """Makes the endless shuffled training batches and the validation batches."""
    options: dict[str, Any] = {
        "global_batch_tokens": recipe.training.global_batch_tokens,
        "max_source_tokens": recipe.data.max_source_tokens,
        "max_target_tokens": recipe.data.max_target_tokens,
        "num_buckets": recipe.training.num_buckets,
        # Every replica gets the same number of rows, and can split them into equal parts.
        "rows_multiple": math.lcm(8, num_replicas * recipe.training.accumulation_steps),
        "seed": recipe.training.seed,
    }
    pair = (tokenizers.source, tokenizers.target)
    return (
        training_pipeline(corpora.train, *pair, repeat=True, **options),
        training_pipeline(corpora.validation, *pair, shuffle=False, **options),
    )
