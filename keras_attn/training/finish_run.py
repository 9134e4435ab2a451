"""The end of a run: chooses the weights, saves the translator, scores it and writes the report."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
from rich.console import Console

from keras_attn.data import Corpus, group_references
from keras_attn.evaluation import evaluate
from keras_attn.models import Seq2SeqModel
from keras_attn.training.recipe.recipe import Recipe
from keras_attn.training.run.average_checkpoints import average_checkpoints
from keras_attn.training.run.checkpoint_index import CheckpointIndex
from keras_attn.training.run.run_directory import RunDirectory
from keras_attn.training.show_line import show_line
from keras_attn.training.tokenizer_pair import TokenizerPair
from keras_attn.translator import Translator


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


def choose_weights(
    run: RunDirectory,
    recipe: Recipe,
    index: CheckpointIndex,
    perplexity_of: Callable[[Path], float],
) -> tuple[Path, str]:
    """Takes the best checkpoint, or the mean of the last ones if that is better still.

    The mean is what the paper reports (Section 6.1), and it helps where the weights circle around
    an optimum. While they still move on, it is worse than the last of them: so both are measured.

    Args:
        run: RunDirectory. The run.
        recipe: Recipe. `training.average_last`.
        index: CheckpointIndex. The checkpoints there are.
        perplexity_of: function. The validation perplexity of a weights file.

    Returns:
        The weights file, and how it was chosen in words.
    """
    single = index.best or index.latest
    if single is None:
        raise ValueError(
            f"`run` must have a checkpoint. Received: {str(run.path)!r}, which has none."
        )
    words = f"best {index.monitor} (step {single.step})" if index.best else "last checkpoint"
    count = min(recipe.training.average_last, len(index.checkpoints))
    if count < 2:
        return single.path, words
    mean = average_checkpoints(run.path, last=count)
    of_mean, of_single = perplexity_of(mean), perplexity_of(single.path)
    steps = ", ".join(str(one.step) for one in index.checkpoints[-count:])
    mean_words = f"mean of {count} checkpoints (steps {steps})"
    if of_mean <= of_single:
        return mean, f"{mean_words}: perplexity {of_mean:.4g}, {words}: {of_single:.4g}"
    return single.path, f"{words}: perplexity {of_single:.4g}, {mean_words}: {of_mean:.4g}"


def score_corpus(
    translator: Translator, corpus: Corpus, group: bool = False, bleu_tokenizer: str | None = None
) -> dict[str, Any]:
    """Translates a corpus and scores the translations.

    Args:
        translator: Translator. Of the finished model.
        corpus: Corpus. The pairs.
        group: bool. Whether to score each distinct source once, against all its references.
        bleu_tokenizer: str or None. sacreBLEU's; None for its default.

    Returns:
        dict. Scores, signatures, counts and time, for JSON.
    """
    texts: tuple[Any, Any] = (corpus.sources, corpus.targets)
    if group:
        texts = group_references(corpus)
    report = evaluate(translator, *texts, bleu_tokenizer=bleu_tokenizer)
    return report.to_dict(translations=False)


def score_run(
    recipe: Recipe,
    model: keras.Model,
    translator: Translator,
    validation_dataset: Any,
    validation: Corpus,
    test: Corpus | None,
    console: Console,
) -> dict[str, Any]:
    """Scores the final weights on the validation and the test pairs.

    Args:
        recipe: Recipe. What to score.
        model: keras.Model. Compiled, with the final weights.
        translator: Translator. With the same weights.
        validation_dataset: tf.data.Dataset. The validation batches.
        validation: Corpus. The validation pairs.
        test: Corpus or None. The test pairs.
        console: rich Console. Where to say what came out.

    Returns:
        dict. `validation` and, with test pairs, `test`, for JSON.
    """
    logs = model.evaluate(validation_dataset, return_dict=True, verbose=0)
    scores: dict[str, Any] = {"validation": {name: float(value) for name, value in logs.items()}}
    show_line(console, f"validation perplexity {scores['validation']['perplexity']:.4g}")
    if recipe.training.bleu_sentences:
        scores["validation"] |= score_corpus(
            translator, validation, bleu_tokenizer=recipe.bleu_tokenizer
        )
        show_line(console, f"validation {_bleu_line(scores['validation'])}")
    if test is not None:
        scores["test"] = score_corpus(
            translator, test, recipe.data.group_test_references, recipe.bleu_tokenizer
        )
        show_line(console, f"test {_bleu_line(scores['test'])}")
    return scores


def rewrite_translator(run_directory: str | Path, weights: str | Path) -> Translator:
    """Puts other weights into the translator of a run, `RUN/translator`, replaced whole or not.

    Args:
        run_directory: path. A run whose training has ended.
        weights: path. A `.weights.h5` file, as `average_checkpoints` writes.

    Returns:
        Translator. With the new weights.

    Raises:
        ValueError: if the run has no translator, or the weights are not of its model.

    Example:

    >>> rewrite_translator("no/run", "average.weights.h5")
    Traceback (most recent call last):
    ValueError: `run` must be a directory that training wrote. Received: 'no/run', ...
    """
    run = RunDirectory(run_directory)
    run.read_information()
    if not run.translator.is_dir():
        raise ValueError(
            "`run` must have a translator, which a training writes when it ends. "
            f"Received: {str(run.path)!r}"
        )
    translator = Translator.load(run.translator)
    try:
        translator.model.load_weights(weights)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(
            "`weights` must be a .weights.h5 file of the run's model. "
            f"Received: {str(weights)!r} ({' '.join(str(error).split())[:200]})"
        ) from error
    translator.save(run.translator)
    return translator


def _bleu_line(scores: dict[str, Any]) -> str:
    """BLEU, chrF, the signature and what was truncated in a line."""
    signature = scores["signatures"]["bleu"]
    line = f"BLEU {scores['bleu']:.1f}  chrF {scores['chrf']:.1f}  ({signature})"
    if scores["truncated"]:
        line += f", {scores['truncated']:,} of {scores['sentences']:,} truncated"
    return line
