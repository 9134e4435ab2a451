"""The end of a run: chooses the weights, saves the translator, scores it and writes the report."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras_attn.data import Corpus, group_references
from keras_attn.evaluation import evaluate
from keras_attn.training.model_setup import build_model, compile_model, make_translator
from keras_attn.training.run.average_checkpoints import average_checkpoints
from keras_attn.training.run.checkpoint_file import load_whole
from keras_attn.training.run.checkpoint_index import CheckpointIndex
from keras_attn.training.run.run_directory import RunDirectory, write_json
from keras_attn.training.show_line import show_line
from keras_attn.training.training_session import TrainingSession
from keras_attn.translator import Translator


def finish(session: TrainingSession) -> None:
    """Turns a trained session into a translator with scores and a report.

    With several workers, the chief does this and the others wait: a worker that exits would end the
    others.

    Args:
        session: TrainingSession. A session whose training has ended.
    """
    show_line(session.console, "saving and scoring the translator")
    if session.workers.is_chief:
        final = _FinalModel(session)
        average_last = session.recipe.training.average_last
        for name in set_damaged_aside(session.index, average_last):
            show_line(session.console, f"{name} is damaged, and is not used")
        weights, choice = choose_weights(
            session.run, session.index, average_last, final.perplexity_of
        )
        final.load(weights)
        final.translator.save(session.run.translator)
        report = {**_run_statistics(session), "weights": choice, **_scores(session, final)}
        write_json(session.run.report, report)
        _show_end(session)
    session.workers.wait()


class _FinalModel:
    """The model that is saved: a copy outside the strategy, without an optimizer.

    Args:
        session: TrainingSession. The session that trained it.
    """

    def __init__(self, session: TrainingSession) -> None:
        recipe = session.recipe
        self._averages = recipe.training.ema_decay is not None
        self._validation = session.data.validation.dataset
        self._model = build_model(recipe, session.data.tokenizers)
        self.translator = make_translator(recipe, self._model, session.data.tokenizers)
        # The compiled model evaluates. With several replicas it is a copy outside the strategy,
        # because the other workers do not take part in the evaluation.
        self._compiled = session.model
        if session.strategy.num_replicas_in_sync > 1:
            self._compiled = build_model(recipe, session.data.tokenizers)
            compile_model(self._compiled, recipe.training)

    def load(self, weights: Path) -> None:
        """Loads a weights file: its moving averages, if the recipe has them."""
        if self._averages:
            load_whole(self._compiled, weights)
            self._compiled.optimizer.swap_averages()
            self._model.set_weights(self._compiled.get_weights())
        else:
            self._model.load_weights(weights)
            self._compiled.set_weights(self._model.get_weights())

    def validate(self) -> dict[str, float]:
        """Loss and metrics of the validation pairs."""
        logs = self._compiled.evaluate(self._validation, return_dict=True, verbose=0)
        return {name: float(value) for name, value in logs.items()}

    def perplexity_of(self, weights: Path) -> float:
        """The validation perplexity of a weights file."""
        self.load(weights)
        return self.validate()["perplexity"]


def set_damaged_aside(index: CheckpointIndex, average_last: int) -> list[str]:
    """Renames damaged checkpoints that the translator would be made from.

    Args:
        index: CheckpointIndex. The checkpoints of the run.
        average_last: int. The number of last checkpoints to average; below 2: none.

    Returns:
        list of str. The names that the files had.
    """
    names: list[str] = []
    while True:
        last = index.checkpoints[-average_last:] if average_last > 1 else []
        used = {one.step: one for one in (index.best, index.latest, *last) if one is not None}
        damaged = [one for one in used.values() if not one.is_whole()]
        if not damaged:
            return names
        for one in damaged:
            index.set_aside(one)
            names.append(one.path.name)


def choose_weights(
    run: RunDirectory,
    index: CheckpointIndex,
    average_last: int,
    perplexity_of: Callable[[Path], float],
) -> tuple[Path, str]:
    """Chooses the best checkpoint, or the mean of the last ones if the mean is better.

    The mean is what the paper reports (Section 6.1), and it helps where the weights circle around
    an optimum. While the weights still improve, the mean is worse than the last checkpoint. So both
    are measured.

    Args:
        run: RunDirectory. The run.
        index: CheckpointIndex. Its checkpoints.
        average_last: int. The number of last checkpoints to average; below 2: none.
        perplexity_of: function. The validation perplexity of a weights file.

    Returns:
        The weights file, and a description of how it was chosen.
    """
    single = index.best or index.latest
    if single is None:
        raise ValueError(
            f"`run` must have a checkpoint. Received: {str(run.path)!r}, which has none."
        )
    words = f"best {index.monitor} (step {single.step})" if index.best else "last checkpoint"
    count = min(average_last, len(index.checkpoints))
    if count < 2:
        return single.path, words
    mean = average_checkpoints(run.path, last=count)
    of_mean, of_single = perplexity_of(mean), perplexity_of(single.path)
    steps = ", ".join(str(one.step) for one in index.checkpoints[-count:])
    mean_words = f"mean of {count} checkpoints (steps {steps})"
    if of_mean <= of_single:
        return mean, f"{mean_words}: perplexity {of_mean:.4g}, {words}: {of_single:.4g}"
    return single.path, f"{words}: perplexity {of_single:.4g}, {mean_words}: {of_mean:.4g}"


def _run_statistics(session: TrainingSession) -> dict[str, Any]:
    """Steps, time, speed and data of the run, for the report."""
    steps, throughput = session.steps.step, session.throughput
    return {
        "recipe": session.recipe.name,
        "steps": steps,
        "ended_by": session.ended_by,
        "was_cut": session.was_cut,
        "rest_options": session.rest_options if session.was_cut else None,
        "epochs": steps / session.data.train.steps_per_epoch,
        "seconds": session.seconds,
        "step_seconds": throughput.step_seconds,
        "target_tokens": throughput.target_tokens,
        "target_tokens_per_second": throughput.tokens_per_second,
        "target_tokens_per_second_without_compilation": throughput.steady_tokens_per_second,
        "compile_seconds": throughput.compile_seconds,
        "parameters": session.model.count_params(),
        "training_pairs": str(session.data.train.report),
        "validation_pairs": str(session.data.validation.report),
        "corpus_notes": list(session.data.corpora.train.notes),
    }


def _scores(session: TrainingSession, final: _FinalModel) -> dict[str, Any]:
    """Scores on the validation pairs and, if the recipe has them, on the test pairs."""
    recipe, console, corpora = session.recipe, session.console, session.data.corpora
    validation: dict[str, Any] = final.validate()
    show_line(console, f"validation perplexity {validation['perplexity']:.4g}")
    if recipe.training.bleu_sentences:
        validation |= _score(final.translator, corpora.validation, recipe.bleu_tokenizer)
        show_line(console, f"validation {_bleu_line(validation)}")
    scores = {"validation": validation}
    if corpora.test is not None:
        group = recipe.data.group_test_references
        scores["test"] = _score(final.translator, corpora.test, recipe.bleu_tokenizer, group)
        show_line(console, f"test {_bleu_line(scores['test'])}")
    return scores


def _score(
    translator: Translator, corpus: Corpus, bleu_tokenizer: str, group: bool = False
) -> dict[str, Any]:
    """Translates and scores a corpus; with `group`, each distinct source once."""
    texts: tuple[Any, Any] = (corpus.sources, corpus.targets)
    if group:
        texts = group_references(corpus)
    report = evaluate(translator, *texts, bleu_tokenizer=bleu_tokenizer)
    return report.to_dict(translations=False)


def _bleu_line(scores: dict[str, Any]) -> str:
    """One line: BLEU, chrF, the signature and the number of truncated translations."""
    signature = scores["signatures"]["bleu"]
    line = f"BLEU {scores['bleu']:.1f}  chrF {scores['chrf']:.1f}  ({signature})"
    if scores["truncated"]:
        line += f", {scores['truncated']:,} of {scores['sentences']:,} truncated"
    return line


def _show_end(session: TrainingSession) -> None:
    """Shows what ended training, and how to continue if it was the time limit."""
    steps, path = session.steps.step, session.run.path
    show_line(session.console, f"finished: {path} ({steps:,} steps, ended by {session.ended_by})")
    if session.was_cut:
        show_line(
            session.console,
            f"the time limit ended this run after {steps:,} of {session.intended_last_step:,} "
            "updates, so the model may not reach the recipe's expected score; make the remaining "
            f"updates with keras-attn train --output {path} {session.rest_options}",
        )
