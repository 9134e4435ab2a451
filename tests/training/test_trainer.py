"""`train` leaves a run that can be used, resumed and averaged, and touches nothing else."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import types

import keras
import numpy as np
import pytest
from rich.console import Console

from keras_attn.lines.json_records import append_records, read_records
from keras_attn.training import TrainingResult, rewrite_translator
from keras_attn.training.callbacks import StepCounter
from keras_attn.training.callbacks.checkpoint_writer import CheckpointWriter
from keras_attn.training.callbacks.stop_on_non_finite_loss import NonFiniteLossError
from keras_attn.training.finish import choose_weights, set_damaged_aside
from keras_attn.training.recipe.recipe import Recipe
from keras_attn.training.recipe.training_recipe import TrainingRecipe
from keras_attn.training.resume import end_where_the_clock_did
from keras_attn.training.run.average_checkpoints import average_checkpoints
from keras_attn.training.run.checkpoint_file import (
    OptimizerMismatchError,
    read_checkpoint,
    training_state,
    write_checkpoint,
)
from keras_attn.training.run.checkpoint_index import CheckpointIndex
from keras_attn.training.run.run_directory import RunDirectory
from keras_attn.training.step_plan import StepPlan
from keras_attn.training.trainer import train
from keras_attn.training.training_session import TrainingSession
from keras_attn.training.update.guarded_adam import GuardedAdam
from keras_attn.training.update.label_smoothed_cross_entropy import LabelSmoothedCrossEntropy
from keras_attn.training.update.planned_schedule import PlannedSchedule
from keras_attn.translator import Translator
from tests.support.checkpoints import arrays, assert_same_checkpoint, steps_in
from tests.support.reused_models import reused_models

WORDS = {"a": "ein", "red": "rot", "dog": "Hund", "cat": "Katze", "runs": "läuft", "x": "ypsilon"}


@pytest.fixture(scope="module", autouse=True)
def graphs_are_traced_once():
    with reused_models():
        yield


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Recipe:
    """A toy corpus, one layer, no XLA and no dropout: seconds, and the same numbers every time."""
    random = np.random.default_rng(0)
    corpus = tmp_path_factory.mktemp("corpus")
    for split, pairs in [("train", 60), ("val", 6), ("test", 5)]:
        sizes = random.integers(2, 6, size=pairs)
        sources = [random.choice(list(WORDS), size=size).tolist() for size in sizes]
        lines = {
            "en": [" ".join(words) for words in sources],
            "de": [" ".join(WORDS[word] for word in words) for words in sources],
        }
        for language, texts in lines.items():
            (corpus / f"{split}.{language}").write_text("\n".join(texts) + "\n", encoding="utf-8")
    return Recipe.from_table(
        {
            "data": {"kind": "text_directory", "directory": str(corpus), "validation": "val"},
            "tokenizer": {"kind": "byte"},
            "model": {
                "preset": "transformer_tiny",
                "overrides": {
                    "hidden_dim": 16, "intermediate_dim": 24, "num_heads": 2, "num_layers": 1,
                    "dropout": 0.0,
                },
            },
            "training": {
                "jit_compile": False, "global_batch_tokens": 512, "num_buckets": 1,
                "max_steps": 6, "validate_every_steps": 2, "peak_learning_rate": 0.01,
                "warmup_steps": 4, "sample_sentences": 0, "keep_checkpoints": 9,
            },
            "decoding": {"class_name": "GreedySearch", "max_extra_tokens": 4},
        },
        name="toy",
    )  # fmt: skip


@pytest.fixture(scope="module")
def straight(recipe, tmp_path_factory) -> TrainingResult:
    """A run of the recipe as it is, from start to end; to look at only."""
    return train(recipe, tmp_path_factory.mktemp("runs") / "straight", progress=False)


@pytest.fixture(scope="module")
def averaged(recipe, tmp_path_factory) -> TrainingResult:
    """The same with the mean of two checkpoints at its end."""
    run = tmp_path_factory.mktemp("runs") / "averaged"
    return train(recipe.override({"training.average_last": "2"}), run, progress=False)


class InterruptAt(keras.callbacks.Callback):
    """Presses the interrupt key at the end of a step of this session."""

    def __init__(self, step):
        super().__init__()
        self.step = step

    def on_train_batch_end(self, batch, logs=None):
        self.step -= 1
        if self.step == 0:
            raise KeyboardInterrupt


def test_a_run_holds_all_there_is_to_know_of_it(recipe, tmp_path):
    run, output = tmp_path / "run", io.StringIO()
    recipe = recipe.override(
        {"training.bleu_sentences": "4", "training.sample_sentences": "1", "data.test": "test"}
    )
    result = train(recipe, run, console=Console(file=output, width=200))
    assert Recipe.from_toml(run / "recipe.toml") == recipe
    assert steps_in(run) == [2, 4, 6] and result.steps == 6
    assert [line["step"] for line in result.history] == [2, 4, 6]
    assert {"val_perplexity", "val_token_accuracy", "val_bleu"} < set(result.history[0])
    information = json.loads((run / "run.json").read_text())
    assert information["status"] == "finished" and information["step"] == 6
    assert set(information["versions"]) == {"keras_attn", "tensorflow", "keras", "python"}
    report = json.loads((run / "report.json").read_text())
    assert report == result.report
    assert report["steps"] == 6 and report["target_tokens_per_second"] > 0
    assert report["test"]["sentences"] == 5 and "13a" in report["test"]["signatures"]["bleu"]
    assert "60 pairs read, 60 kept" in report["training_pairs"]
    assert len((run / "samples.jsonl").read_text().splitlines()) == 3
    assert (run / "tokenizer" / "tokenizer.json").is_file()
    assert "60 pairs read, 60 kept" in output.getvalue() and "finished" in output.getvalue()
    texts = ["a red dog runs", "x"]
    saved = Translator.load(run / "translator")
    assert saved.translate(texts) == result.translator.translate(texts)
    assert not list(run.rglob("*partial*"))


def test_the_translator_has_the_best_checkpoints_weights_and_no_optimizer(recipe, tmp_path):
    # A rate far too high after the first steps: the last checkpoint is not the best.
    recipe = recipe.override({"training.peak_learning_rate": "1.0"})
    result = train(recipe, tmp_path / "run", progress=False)
    index = CheckpointIndex(tmp_path / "run" / "checkpoints")
    assert index.best.metrics["val_perplexity"] == min(
        line["val_perplexity"] for line in result.history
    )
    assert f"step {index.best.step}" in result.report["weights"]
    expected = index.best.metrics["val_perplexity"]
    assert result.report["validation"]["perplexity"] == pytest.approx(expected, rel=1e-5)
    assert not result.translator.model.compiled


def test_an_interrupted_run_resumes_to_the_very_weights_of_one_that_was_not(recipe, tmp_path):
    recipe = recipe.override(
        {
            "model.overrides.dropout": "0.3",
            "training.ema_decay": "0.5",
            "training.accumulation_steps": "2",
            "training.sample_sentences": "1",
            "training.log_every_steps": "1",
        }
    )
    straight = train(recipe, tmp_path / "straight", progress=False)
    output = io.StringIO()
    with pytest.raises(KeyboardInterrupt):
        train(
            recipe, tmp_path / "run", console=Console(file=output, width=200),
            callbacks=[InterruptAt(3)],
        )  # fmt: skip
    assert "step 3 is saved" in output.getvalue() and "--resume" in output.getvalue()
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "interrupted"
    assert steps_in(tmp_path / "run") == [2, 3]
    (tmp_path / "run" / ".partial.7.run.json").write_text("a killed process left this")
    resumed = train(None, tmp_path / "run", resume=True, progress=False)
    assert not list((tmp_path / "run").rglob(".partial*"))
    assert resumed.steps == 6 and steps_in(tmp_path / "run") == [2, 4, 6]
    assert_same_checkpoint(tmp_path / "run", tmp_path / "straight", step=6)
    for ours, theirs in zip(resumed.history, straight.history, strict=True):
        for name in ("step", "loss", "perplexity", "val_loss", "learning_rate"):
            assert ours[name] == theirs[name], name
    lines = [read_records(tmp_path / run / "history.jsonl") for run in ("run", "straight")]
    logged = [[line for line in each if "recent_loss" in line] for each in lines]
    assert [line["step"] for line in lines[0]] == [1, 2, 3, 4, 5, 6]
    assert [line["step"] for line in logged[0]] == [1, 3, 5] and logged[0] == logged[1]
    samples = [(tmp_path / run / "samples.jsonl").read_text() for run in ("run", "straight")]
    assert samples[0] == samples[1]
    sessions = json.loads((tmp_path / "run" / "run.json").read_text())["sessions"]
    assert [(one["from_step"], one["to_step"]) for one in sessions] == [(0, 3), (3, 6)]
    for key in ("training_pairs", "weights"):
        assert straight.report[key] == resumed.report[key]


@pytest.mark.slow
def test_a_resumed_run_has_the_end_that_was_planned_by_the_clock(recipe, tmp_path):
    recipe = recipe.override(
        {
            "training.decay": "linear",
            "training.max_minutes": "60",
            "training.max_steps": "60",
            "training.validate_every_steps": "25",
        }
    )
    straight = train(recipe, tmp_path / "straight", progress=False)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "run", progress=False, callbacks=[InterruptAt(50)])
    resumed = train(None, tmp_path / "run", resume=True, progress=False)
    assert straight.steps == resumed.steps == 60
    assert_same_checkpoint(tmp_path / "run", tmp_path / "straight", step=60)
    rates = [one["learning_rate"] for one in resumed.history]
    assert rates[-1] < 0.2 * rates[0]


def test_a_run_in_its_decay_that_is_resumed_with_more_updates_makes_them(recipe, tmp_path):
    """The clock had planned step 60 as the last; now it is the new limit."""
    limits = {"decay": "linear", "max_minutes": "60", "max_steps": "60", "decay_share": "0.5"}
    recipe = recipe.override({f"training.{name}": value for name, value in limits.items()})
    recipe = recipe.override({"training.validate_every_steps": "40"})
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "run", progress=False, callbacks=[InterruptAt(42)])
    more = recipe.override({"training.max_steps": "82"})
    # Killed before its first checkpoint, it has the new limits and the old plan.
    with pytest.raises(Killed):
        train(more, tmp_path / "run", resume=True, progress=False, callbacks=[KillAtOnce()])
    resumed = train(None, tmp_path / "run", resume=True, progress=False)
    assert resumed.steps == 82 and resumed.report["ended_by"] == "max_steps = 82"


class KillAtOnce(keras.callbacks.Callback):
    """Ends the process before the first update."""

    def on_train_batch_begin(self, batch, logs=None):
        raise Killed


@pytest.mark.slow
def test_a_run_stopped_between_an_update_and_its_validation_validates_first(
    recipe, straight, tmp_path
):
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "run", progress=False, callbacks=[InterruptAt(4)])
    assert [line["step"] for line in read_records(tmp_path / "run" / "history.jsonl")] == [2]
    # Killed a moment later it would have written its line, too, and not yet the checkpoint.
    append_records(tmp_path / "run" / "history.jsonl", straight.history[1:2])
    resumed = train(None, tmp_path / "run", resume=True, progress=False)
    assert [line["step"] for line in resumed.history] == [2, 4, 6]
    for ours, theirs in zip(resumed.history, straight.history, strict=True):
        assert [ours[name] for name in ("loss", "val_loss")] == [
            theirs[name] for name in ("loss", "val_loss")
        ]
    assert_same_checkpoint(tmp_path / "run", straight.run, step=6)
    best = [CheckpointIndex(one / "checkpoints").best for one in (tmp_path / "run", straight.run)]
    assert best[0].step == best[1].step and best[0].metrics == best[1].metrics


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_training_after_an_update_with_a_checkpoint(recipe, tmp_path, number):
    class Signal(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if int(self.model.optimizer.iterations) == 2:  # before the third update
                os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt) as raised:
        train(recipe, tmp_path / "run", progress=False, callbacks=[Signal()])
    assert raised.value.number == number and signal.getsignal(number) is before
    assert steps_in(tmp_path / "run") == [2, 3]


@pytest.mark.slow
def test_the_averages_are_what_is_validated_and_translated_with(recipe, tmp_path):
    result = train(recipe.override({"training.ema_decay": "0.8"}), tmp_path / "run", progress=False)
    best = CheckpointIndex(tmp_path / "run" / "checkpoints").best
    saved = arrays(best.path)
    averages = [value for name, value in saved.items() if name.startswith("optimizer/vars")]
    for weight in result.translator.model.trainable_weights:
        assert any(
            value.shape == weight.shape and np.array_equal(value, weight.numpy())
            for value in averages
        ), weight.path
    expected = pytest.approx(best.metrics["val_perplexity"], rel=1e-5)
    assert result.report["validation"]["perplexity"] == expected
    with pytest.raises(ValueError, match="`training.average_last` must be 0 with"):
        recipe.override({"training.ema_decay": "0.8", "training.average_last": "2"})


def test_a_finished_run_is_not_overwritten_but_may_go_on_further(recipe, straight, tmp_path):
    run = shutil.copytree(straight.run, tmp_path / "run")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match="`output` must not hold a finished run.*--resume"):
        train(recipe, run, progress=False)
    with pytest.raises(ValueError, match=r"`model.overrides` must stay as the run was started"):
        train(recipe.override({"model.overrides.num_layers": "2"}), run, resume=True)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    longer = recipe.override({"training.max_steps": "8"})
    assert train(longer, run, resume=True, progress=False).steps == 8
    assert Recipe.from_toml(run / "recipe.toml").training.max_steps == 8


def test_a_directory_that_is_no_run_is_left_alone(recipe, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    for resume in (False, True):
        with pytest.raises(ValueError, match="holds something else. Choose another directory"):
            train(recipe, tmp_path / "mine", resume=resume, progress=False)
    with pytest.raises(ValueError, match="`output` must be a directory"):
        train(recipe, tmp_path / "mine" / "thesis.txt", progress=False)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ({"model.preset": "transformer_tini"}, "'transformer_tiny'"),
        ({"model.overrides.num_layer": "2"}, "Did you mean 'num_layers'"),
        ({"model.overrides.source_vocabulary_size": "9"}, "tokenizer.vocabulary_size"),
        ({"decoding.class_name": "BeemSearch"}, "'BeamSearch'"),
        ({"decoding.config.num_beans": "2"}, "num_beans"),
        ({"data.directory": "no/where"}, "`data.directory`.*--set data.directory=DIR"),
        ({"data.train": "trian"}, "train"),
        (
            {"model.overrides.position": "learned", "model.overrides.max_sequence_length": "128"},
            "`data.max_source_tokens` must be less than the model's",
        ),
        (  # batches of 128 tokens and the end token have 132 positions
            {"model.overrides.position": "learned", "model.overrides.max_sequence_length": "131"},
            "`model.overrides.max_sequence_length` to 132 or more",
        ),
        ({"training.tensorboard": "true"}, r"keras_attn\[tensorboard\]"),
    ],
)
def test_what_can_fail_fails_before_anything_is_written(override, message, recipe, tmp_path):
    if "training.tensorboard" in override:
        try:
            import tensorboard  # noqa: F401

            pytest.skip("tensorboard is installed here")
        except ImportError:
            pass
    with pytest.raises(ValueError, match=message):
        train(recipe.override(override), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_no_number_leaves_the_earlier_checkpoints_and_says_so(recipe, tmp_path):
    class Poison(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if int(self.model.optimizer.iterations) == 3:
                variable = self.model.trainable_variables[0]
                variable.assign(np.full(variable.shape, np.nan))

    with pytest.raises(NonFiniteLossError, match="step 4"):
        train(recipe, tmp_path / "run", progress=False, callbacks=[Poison()])
    assert steps_in(tmp_path / "run") == [2]  # step 3 is not saved: its weights were spoiled
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "failed"
    assert train(recipe, tmp_path / "run", resume=True, progress=False).steps == 6


def test_a_gradient_that_is_no_number_leaves_the_weights_before_it(
    recipe, straight, tmp_path, monkeypatch
):
    call = LabelSmoothedCrossEntropy.__call__

    def spoiled(self, y_true, y_pred, sample_weight=None):
        loss = call(self, y_true, y_pred, sample_weight)
        is_fourth = keras.ops.equal(spoiled.iterations, 3)
        return loss * keras.ops.where(is_fourth, float("nan"), 1.0)

    class Watch(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            spoiled.iterations = self.model.optimizer.iterations

    monkeypatch.setattr(LabelSmoothedCrossEntropy, "__call__", spoiled)
    spoiled.iterations = 0
    with (
        reused_models(),
        pytest.raises(  # none that was traced before
            NonFiniteLossError, match="step 4, batch .* in epoch .*weights are those of"
        ),
    ):
        train(recipe, tmp_path / "run", progress=False, callbacks=[Watch()])
    assert steps_in(tmp_path / "run") == [2, 3]
    monkeypatch.setattr(LabelSmoothedCrossEntropy, "__call__", call)
    assert train(recipe, tmp_path / "run", resume=True, progress=False).steps == straight.steps
    assert_same_checkpoint(tmp_path / "run", straight.run, step=6)


def test_damaged_checkpoints_do_not_become_the_translator(averaged, tmp_path):
    run = RunDirectory(shutil.copytree(averaged.run, tmp_path / "run"))
    index = CheckpointIndex(run.checkpoints)
    best, latest = index.best, index.latest
    best.path.write_bytes(best.path.read_bytes()[:-1] + b"?")
    assert set_damaged_aside(index, average_last=0) == [best.path.name]
    assert index.best not in (None, best) and latest in (best, index.latest)
    assert (run.checkpoints / f"damaged.{best.path.name}").is_file()
    assert set_damaged_aside(CheckpointIndex(run.checkpoints), average_last=9) == []


@pytest.mark.parametrize("mean_is_better", [True, False])
def test_the_mean_of_the_last_checkpoints_is_taken_only_where_it_is_better(
    averaged, tmp_path, mean_is_better
):
    run = RunDirectory(shutil.copytree(averaged.run, tmp_path / "run"))
    index = CheckpointIndex(run.path / "checkpoints")

    def perplexity_of(weights):
        return 2.0 if ("average" in weights.name) == mean_is_better else 3.0

    path, words = choose_weights(run, index, 2, perplexity_of)
    assert ("average" in path.name) == mean_is_better
    assert words.startswith("mean of 2" if mean_is_better else "best val_perplexity")
    assert "perplexity 2" in words and words.endswith(": 3")


def test_the_last_checkpoints_are_averaged_when_the_recipe_or_the_user_says_so(averaged, tmp_path):
    run = shutil.copytree(averaged.run, tmp_path / "run")
    assert "mean of 2 checkpoints (steps 4, 6)" in averaged.report["weights"]
    loaded = Translator.load(run / "translator").model
    weights = []
    for step in (4, 6):
        loaded.load_weights(run / "checkpoints" / f"step-{step:08d}.weights.h5")
        weights.append(loaded.get_weights())
    loaded.load_weights(run / "checkpoints" / "average.weights.h5")
    for mean, *two in zip(loaded.get_weights(), *weights, strict=True):
        np.testing.assert_allclose(mean, sum(two) / 2, rtol=1e-6, atol=1e-7)
    translator = rewrite_translator(run, average_checkpoints(run, last=1))
    for ours, last in zip(translator.model.get_weights(), weights[1], strict=True):
        np.testing.assert_array_equal(ours, last)
    saved = Translator.load(run / "translator").model.get_weights()
    np.testing.assert_array_equal(saved[0], weights[1][0])
    (tmp_path / "bad.weights.h5").write_text("nothing")
    with pytest.raises(ValueError, match="`weights` must be a .weights.h5 file"):
        rewrite_translator(run, tmp_path / "bad.weights.h5")
    with pytest.raises(ValueError, match="`run` must be a directory that training wrote"):
        rewrite_translator(tmp_path, tmp_path / "bad.weights.h5")


@pytest.mark.slow
def test_early_stopping_watches_the_selection_metric(recipe, tmp_path):
    recipe = recipe.override(
        {
            "training.max_steps": "40",
            "training.peak_learning_rate": "1e-9",  # nothing gets better
            "training.early_stopping_patience": "2",
            "training.selection_metric": "token_accuracy",
        }
    )
    result = train(recipe, tmp_path / "run", progress=False)
    assert result.steps == 6  # the first validation, and two that are no better


@pytest.mark.slow
def test_separate_vocabularies_are_kept_apart(recipe, tmp_path):
    recipe = recipe.override(
        {
            "tokenizer.kind": "sentencepiece",
            "tokenizer.vocabulary_size": "280",
            "tokenizer.shared": "false",
            "training.max_steps": "2",
        }
    )
    result = train(recipe, tmp_path / "run", progress=False)
    assert (tmp_path / "run" / "tokenizer" / "source" / "tokenizer.json").is_file()
    assert result.translator.source_tokenizer is not result.translator.target_tokenizer
    assert train(None, tmp_path / "run", resume=True, progress=False).steps == 2


TWO_REPLICAS = """
import json, sys, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from keras_attn.training import Recipe, train
recipe = Recipe.from_toml(sys.argv[1])
for strategy in ("cpu", "mirrored"):
    result = train(recipe.override({"training.strategy": strategy}), sys.argv[2] + strategy)
    print(json.dumps(result.history))
"""


@pytest.mark.slow
def test_a_mirrored_run_is_the_run_of_one_device(recipe, tmp_path):
    """In a process of its own: logical devices can only be made before TensorFlow starts."""
    recipe.override({"training.jit_compile": "true"}).to_toml(tmp_path / "toy.toml")
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", TWO_REPLICAS, str(tmp_path / "toy.toml"),
         str(tmp_path / "run-")],
        capture_output=True, text=True, timeout=300,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-3000:]
    one, two = (json.loads(line) for line in result.stdout.splitlines())
    assert [line["step"] for line in one] == [line["step"] for line in two] == [2, 4, 6]
    for ours, theirs in zip(one, two, strict=True):
        for name in ("loss", "perplexity", "val_loss", "val_perplexity", "val_token_accuracy"):
            assert ours[name] == pytest.approx(theirs[name], rel=1e-4), (name, ours["step"])


@pytest.mark.parametrize(
    "settings, last_step, limit",
    [
        ({"max_steps": 5, "steps_per_execution": 2}, 6, "max_steps = 5"),
        ({"max_epochs": 0.01, "max_minutes": 3}, 1, "max_epochs = 0.01"),
        ({"max_epochs": 2, "max_steps": 200}, 154, "max_epochs = 2"),
        ({"max_minutes": 3}, None, ""),
    ],
)
def test_the_lowest_limit_ends_the_training(settings, last_step, limit):
    plan = StepPlan.of(TrainingRecipe(**settings), steps_per_epoch=77)
    assert (plan.last_step, plan.limit) == (last_step, limit)
    assert plan.validate_every_steps == 77 + settings.get("steps_per_execution", 1) - 1


def test_a_run_that_the_clock_ends_says_so(recipe, tmp_path):
    output = io.StringIO()
    console = Console(file=output, width=400)
    recipe = recipe.override({"training.max_minutes": "0.001"})
    report = train(recipe, tmp_path / "run", console=console).report
    assert report["ended_by"] == "max_minutes = 0.001" and report["was_cut"]
    assert "the time limit ended this" in output.getvalue()


def test_steps_end_it_where_nothing_else_does(straight):
    assert straight.report["ended_by"] == "max_steps = 6" and not straight.report["was_cut"]


@pytest.mark.parametrize("field, value", [("seed", "3"), ("dtype_policy", "mixed_bfloat16")])
def test_a_run_is_not_resumed_with_another_seed_or_dtype_policy(recipe, straight, field, value):
    other = recipe.override({f"training.{field}": value})
    with pytest.raises(ValueError, match=f"`training.{field}` must stay as the run was started"):
        train(other, straight.run, resume=True, progress=False)


@pytest.mark.parametrize(("before", "now"), [("none", "0.9"), ("0.9", "none")])
def test_averages_neither_begin_nor_end_in_a_resumed_run(recipe, tmp_path, before, now):
    """The checkpoints have no state, or too much, for the optimizer: Keras would leave it out."""
    run = RunDirectory(tmp_path / "run")
    run.write_information("finished")
    recipe.override({"training.ema_decay": before}).to_toml(run.recipe)
    CheckpointIndex(run.checkpoints)
    run.checkpoints.mkdir()
    (run.checkpoints / "step-00000002.weights.h5").write_bytes(b"not read")
    message = f"`training.ema_decay` must .* Received: {now}, started with {before}"
    with pytest.raises(ValueError, match=message):
        train(recipe.override({"training.ema_decay": now}), run.path, resume=True, progress=False)


def test_a_checkpoint_of_another_optimizer_is_an_error_and_not_a_warning(tmp_path):
    def compiled(ema_decay):
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile(GuardedAdam(0.01, ema_decay=ema_decay), "mse")
        model.optimizer.build(model.trainable_variables)
        return model

    path = tmp_path / "step-00000002.weights.h5"
    write_checkpoint(compiled(None), path, {})
    with pytest.raises(OptimizerMismatchError, match="must be a checkpoint of this optimizer"):
        read_checkpoint(compiled(0.9), path)


@pytest.mark.parametrize("resume", [False, True])
def test_a_finished_run_without_checkpoints_is_never_started_again(
    recipe, straight, tmp_path, resume
):
    run = shutil.copytree(straight.run, tmp_path / "run")
    shutil.rmtree(run / "checkpoints")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match="there is nothing to continue from"):
        train(recipe, run, resume=resume, progress=False)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


class Killed(BaseException):
    """Ends the process in a test."""


@pytest.mark.parametrize(
    "moment", [pytest.param("before the file", marks=pytest.mark.slow), "after the file"]
)
def test_a_kill_while_a_step_is_saved_again_costs_nothing(
    recipe, straight, tmp_path, monkeypatch, moment
):
    """A step is saved again if the time was over, and then a validation followed."""
    recipe = recipe.override({"training.save_every_minutes": 0.0})

    def write(model, path, state):
        if path.exists() and path.name == "step-00000004.weights.h5":
            raise Killed
        return write_checkpoint(model, path, state)

    def add(self, step, metrics, crc32=None, original=CheckpointIndex.add):
        if step == 4 and metrics:
            raise Killed
        return original(self, step, metrics, crc32)

    with monkeypatch.context() as patch:
        if moment == "before the file":
            patch.setattr(sys.modules[CheckpointWriter.__module__], "write_checkpoint", write)
        else:
            patch.setattr(CheckpointIndex, "add", add)
        with pytest.raises(Killed):
            train(recipe, tmp_path / "run", progress=False)
    resumed = train(recipe, tmp_path / "run", resume=True, progress=False)
    assert not list((tmp_path / "run").rglob("damaged*"))
    for ours, theirs in zip(resumed.history, straight.history, strict=True):
        for name in ("step", "loss", "perplexity", "val_loss"):
            assert ours[name] == theirs[name], name
    assert_same_checkpoint(tmp_path / "run", straight.run, step=6)


def test_a_validation_is_over_each_batch_once_however_many_steps_a_call_makes(recipe, tmp_path):
    recipe = recipe.override({"data.validation": "train", "training.steps_per_execution": 3})
    result = train(recipe, tmp_path / "run", progress=False)
    best = CheckpointIndex(tmp_path / "run" / "checkpoints").best
    expected = result.report["validation"]  # by `evaluate`, on the pairs once
    for name in ("loss", "perplexity", "token_accuracy"):
        assert best.metrics[f"val_{name}"] == pytest.approx(expected[name], rel=1e-6), name


def test_calls_of_several_steps_must_meet_the_step_that_a_run_continues_from(recipe, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "run", progress=False, callbacks=[InterruptAt(3)])
    with pytest.raises(ValueError, match="`training.steps_per_execution` must divide.*, 3. Rec"):
        other = recipe.override({"training.steps_per_execution": 2})
        train(other, tmp_path / "run", resume=True, progress=False)
    assert steps_in(tmp_path / "run") == [2, 3]


class SignalInValidation(keras.callbacks.Callback):
    """Asks the process to end while the last validation runs."""

    def on_test_begin(self, logs=None):
        os.kill(os.getpid(), signal.SIGTERM)


def test_a_signal_during_the_last_validation_stops_and_a_resumed_run_only_finishes(
    recipe, tmp_path
):
    recipe = recipe.override({"training.max_steps": 2})
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "run", progress=False, callbacks=[SignalInValidation()])
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "unfinished"
    assert not (tmp_path / "run" / "translator").exists()
    resumed = train(None, tmp_path / "run", resume=True, progress=False)
    assert resumed.steps == 2 and len(resumed.history) == 1


def test_a_signal_after_the_end_of_the_time_stops_and_a_resumed_run_only_finishes(recipe, tmp_path):
    limits = {"max_minutes": 0.001, "max_steps": 10**6, "validate_every_steps": 10**6}
    recipe = recipe.override({f"training.{name}": value for name, value in limits.items()})
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "run", progress=False, callbacks=[SignalInValidation()])
    (step,) = steps_in(tmp_path / "run")
    resumed = train(None, tmp_path / "run", resume=True, progress=False)
    assert resumed.steps == step and len(resumed.history) == 1
    assert resumed.report["ended_by"] == "max_minutes = 0.001" and resumed.report["was_cut"]
    assert resumed.report["rest_options"] == "--resume --set training.max_minutes=none"
    # A finished run that is resumed trains on.
    assert train(None, tmp_path / "run", resume=True, progress=False).steps > step


@pytest.mark.parametrize(
    ("status", "ended_by", "planned_end", "ends"),
    [
        ("interrupted", "", 9, True),
        ("running", "", 9, True),  # killed
        ("interrupted", "", 8, False),
        ("interrupted", "", None, False),
        ("finished", "max_minutes = 3", 9, False),
        ("unfinished", "max_minutes = 3", None, True),
        ("unfinished", "max_minutes = 2", 9, False),  # the recipe has another limit now
        ("unfinished", "max_steps = 9", 9, False),
    ],
)
def test_a_run_ends_where_its_clock_had_ended_it(
    recipe, tmp_path, status, ended_by, planned_end, ends
):
    session = _session_at_step_9(recipe, tmp_path, status, ended_by, planned_end)
    end_where_the_clock_did(session)
    assert session.plan.last_step == (9 if ends else None)
    assert session.plan.limit == ("max_minutes = 3" if ends else "")


@pytest.mark.parametrize("status", ["running", "interrupted", "unfinished"])
def test_a_run_with_other_limits_trains_on_where_its_clock_had_ended_it(recipe, tmp_path, status):
    changed = recipe.override({"training.max_steps": "5"})  # since this session: 6
    session = _session_at_step_9(changed, tmp_path, status, "max_minutes = 3", 9)
    end_where_the_clock_did(session)
    assert session.plan.last_step is None


@pytest.mark.parametrize("status", ["running", "interrupted"])
def test_a_finished_run_that_went_on_and_was_killed_early_is_not_taken_for_finished(
    recipe, tmp_path, status
):
    session = _session_at_step_9(recipe, tmp_path, status, "", 9)
    sessions = [
        {"status": "interrupted", "from_step": 0, "to_step": 4},
        {"status": "finished", "from_step": 4, "to_step": 9},
    ]
    session.run.write_information(status, sessions=sessions)
    end_where_the_clock_did(session)
    assert session.plan.last_step is None
    session.run.write_information(status, sessions=sessions[:1])
    end_where_the_clock_did(session)
    assert session.plan.last_step == 9 and session.cut_from is None  # it was planned so


def _session_at_step_9(before, tmp_path, status, ended_by, planned_end):
    """A session to resume; the recipe of the session before may have had other limits."""
    run = RunDirectory(tmp_path / "run")
    run.write_information(status, ended_by=ended_by)
    training = TrainingRecipe(max_minutes=3, max_steps=6, decay="linear")
    before = before.override({"training.max_minutes": "3", "training.decay": "linear"})
    before.to_toml(run.recipe)
    schedule = PlannedSchedule(0.01, 3, decay="linear")
    if planned_end is not None:
        schedule.set_plan(decay_start=5, last_step=planned_end)
        schedule.planned_for = before.training.limits
    return types.SimpleNamespace(
        run=run,
        steps=StepCounter(9),
        plan=StepPlan(2, None, "", limits=training.limits),
        recipe=types.SimpleNamespace(training=training),
        clock_limit="max_minutes = 3",
        model=types.SimpleNamespace(optimizer=types.SimpleNamespace(schedule=schedule)),
    )


@pytest.mark.slow
def test_an_interrupt_in_the_last_update_loses_no_validation(recipe, tmp_path):
    changes = {"training.max_steps": "5", "training.log_every_steps": "1"}
    recipe = recipe.override(changes)
    straight = train(recipe, tmp_path / "straight", progress=False)
    assert [line["step"] for line in straight.history] == [2, 4, 5]
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "run", progress=False, callbacks=[InterruptAt(5)])
    epochs = []
    note = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: epochs.append(epoch))
    resumed = train(None, tmp_path / "run", resume=True, progress=False, callbacks=[note])
    assert epochs == [2]
    assert [line["step"] for line in resumed.history] == [2, 4, 5]
    assert resumed.history[-1]["val_loss"] == straight.history[-1]["val_loss"]
    logged = [
        [line for line in read_records(tmp_path / name / "history.jsonl") if "recent_loss" in line]
        for name in ("run", "straight")
    ]
    assert logged[0] == logged[1] and [line["step"] for line in logged[0]] == [1, 3, 5]
    assert_same_checkpoint(tmp_path / "run", tmp_path / "straight", step=5)


@pytest.mark.parametrize(
    ("limit", "options"),
    [
        ("max_minutes = 3", "--resume"),  # its end is in the checkpoint
        ("max_steps = 9", "--resume --set training.max_minutes=none"),
    ],
)
def test_the_rest_of_a_run_that_was_cut_is_made_by_its_own_plan(limit, options):
    session = types.SimpleNamespace(plan=StepPlan(2, 9, limit), cut_from=None)
    assert TrainingSession.rest_options.fget(session) == options


def test_a_shortened_warmup_comes_back_and_a_new_one_takes_its_place(tmp_path):
    def compiled(warmup_steps):
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile(GuardedAdam(PlannedSchedule(0.01, warmup_steps)), "mse")
        model.optimizer.build(model.trainable_variables)
        return model, model.optimizer.schedule

    model, schedule = compiled(4000)
    schedule.set_plan(warmup_steps=250, decay_start=750, last_step=1000)
    schedule.planned_for = "10 minutes"
    write_checkpoint(model, tmp_path / "plan.weights.h5", training_state(model, with_metrics=False))
    for warmup_steps, expected in ((4000, 250), (100, 100)):
        model, schedule = compiled(warmup_steps)
        read_checkpoint(model, tmp_path / "plan.weights.h5")
        assert schedule.plan.tolist() == [expected, 750, 1000]
        assert schedule.planned_for == "10 minutes"
