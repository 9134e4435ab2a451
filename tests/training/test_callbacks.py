"""Callbacks count, stop, measure, score, save and show as they promise, in a stock Keras model."""

import io
import json
import math
import statistics
import time
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from rich.console import Console

from keras_attn.lines.json_records import (
    append_records,
    drop_records_after,
    read_noted_records,
    read_records,
)
from keras_attn.training.callbacks import (
    CheckpointWriter,
    EarlyStopping,
    HistoryWriter,
    Pace,
    ProgressDisplay,
    SampleTranslations,
    StepCounter,
    StepLimit,
    StopOnNonFiniteLoss,
    Throughput,
    TimeLimit,
    ValidationScores,
)
from keras_attn.training.callbacks.stop_on_non_finite_loss import NonFiniteLossError
from keras_attn.training.run.checkpoint_index import CheckpointIndex
from keras_attn.training.step_plan import StepPlan
from keras_attn.training.update.guarded_adam import GuardedAdam
from keras_attn.training.update.label_smoothed_cross_entropy import LabelSmoothedCrossEntropy
from keras_attn.training.update.perplexity import Perplexity
from keras_attn.translator import Translation, TranslationReport

TOKEN_IDS = np.array([[1, 2, 3, 0], [4, 5, 0, 0]] * 2, dtype="int32")


def fit(callbacks, epochs=2, steps=3, metric=None, learning_rate=0.01, steps_per_execution=1):
    model = keras.Sequential(
        [keras.Input((None,), dtype="int32"), keras.layers.Embedding(9, 4), keras.layers.Dense(9)]
    )
    model.compile(
        keras.optimizers.SGD(learning_rate),
        loss=LabelSmoothedCrossEntropy(),
        weighted_metrics=[metric or Perplexity()],
        steps_per_execution=steps_per_execution,
        jit_compile=False,
    )
    data = np.tile(TOKEN_IDS, (steps, 1))
    model.fit(
        data, data, batch_size=4, epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks,
        validation_data=(TOKEN_IDS, TOKEN_IDS),
    )  # fmt: skip
    return model


class At(keras.callbacks.Callback):
    """Does something at the end of a step."""

    def __init__(self, action):
        super().__init__()
        self.action = action

    def on_train_batch_end(self, batch, logs=None):
        self.action(self.model, logs)


@pytest.mark.parametrize("steps_per_execution", [1, 3])
def test_steps_are_counted_over_epochs_from_where_the_run_was(steps_per_execution):
    steps = StepCounter(step=100)
    fit([steps], epochs=2, steps=3, steps_per_execution=steps_per_execution)
    assert steps.step == 106


def test_a_step_limit_ends_the_training_there_after_its_validation(tmp_path):
    steps = StepCounter(step=10)
    index = CheckpointIndex(tmp_path)
    fit([steps, StepLimit(steps, StepPlan(3, 14, "")), CheckpointWriter(index, steps)], epochs=9)
    assert steps.step == 14
    assert [one.step for one in index.checkpoints] == [13, 14]
    assert "val_perplexity" in index.latest.metrics


def test_a_time_limit_ends_the_training():
    steps, limit = StepCounter(), TimeLimit(max_minutes=0.2 / 60)
    started = time.monotonic()
    fit([steps, limit, At(lambda *_: time.sleep(0.05))], epochs=1000)
    assert limit.reached and 1 <= steps.step < 100
    assert time.monotonic() - started < 20


def test_a_loss_that_is_no_number_ends_the_training_and_names_the_step():
    steps = StepCounter(step=40)
    poison = At(lambda model, _: model.layers[0].embeddings.assign(np.full((9, 4), np.nan)))
    with pytest.raises(
        NonFiniteLossError, match="Received: a loss of nan at step 42.*peak_learning_rate"
    ):
        fit([steps, StopOnNonFiniteLoss(steps), poison])


def test_updates_that_are_withheld_at_the_smallest_loss_scale_end_the_training():
    """With float16 they were withheld for ever, without a word."""
    weight, steps = keras.Variable([1.0]), StepCounter(step=40)
    optimizer = GuardedAdam(0.01, scales_loss=True, withhold_later_updates=True)
    optimizer.build([weight])
    stop = StopOnNonFiniteLoss(steps)
    stop.set_model(types.SimpleNamespace(optimizer=optimizer))
    stop.on_train_begin()

    def update(gradient):
        loss = optimizer.scale_loss(tf.constant(1.0))
        optimizer.apply([gradient * loss * tf.ones(1)], [weight])
        steps.step += 1
        stop.on_train_batch_end(0, {"loss": 2.5})

    for _ in range(15):  # from 2 ** 15 to 1
        assert not optimizer.is_smallest_loss_scale
        update(math.inf)
    assert optimizer.is_smallest_loss_scale
    update(0.5)  # at the smallest scale, an update is made if its gradient is finite
    assert float(weight[0]) < 1.0
    with pytest.raises(
        NonFiniteLossError,
        match=r"too large for float16 at the smallest loss scale at step 57\. .*mixed_bfloat16",
    ) as raised:
        update(math.inf)
    assert raised.value.are_weights_good


def test_throughput_counts_real_target_tokens_and_tells_compilation_apart():
    metric = Perplexity()
    throughput = Throughput(metric)
    fit([throughput], epochs=4, steps=5, metric=metric)
    assert throughput.target_tokens == 4 * 5 * 10  # 10 real tokens a batch
    assert throughput.tokens_per_second == pytest.approx(200 / throughput.step_seconds)
    # The first step traces and compiles: without it, it is faster.
    assert throughput.steady_tokens_per_second > throughput.tokens_per_second
    assert 0 < throughput.compile_seconds < throughput.step_seconds


def test_throughput_does_not_judge_compilation_from_a_few_steps():
    metric = Perplexity()
    throughput = Throughput(metric)
    fit([throughput], epochs=1, steps=2, metric=metric)
    assert throughput.steady_tokens_per_second is None and throughput.compile_seconds is None


def test_history_has_a_line_a_validation_and_a_resumed_run_drops_what_it_repeats(tmp_path):
    path = tmp_path / "history.jsonl"
    steps = StepCounter()
    fit([steps, HistoryWriter(path, steps)], epochs=3, steps=2)
    assert [line["step"] for line in read_records(path)] == [2, 4, 6]
    assert {"loss", "val_loss", "val_perplexity", "learning_rate"} < set(read_records(path)[0])
    first = read_records(path)[0]
    with path.open("a") as file:
        file.write('{"step": 8, "lo')  # a crash while writing
    steps = StepCounter(step=3)
    fit([steps, HistoryWriter(path, steps)], epochs=1, steps=2)
    assert [line["step"] for line in read_records(path)] == [2, 5]
    assert read_records(path)[0] == first


def test_a_damaged_line_of_the_history_costs_no_other_and_is_named(tmp_path):
    path = tmp_path / "history.jsonl"
    path.write_bytes(b'{"step": 1}\nnothing\n{"step": 2}\n{"loss": 3}\n{"step": 3, "a": "\xff')
    records, notes = read_noted_records(path)
    assert records == read_records(path) == [{"step": 1}, {"step": 2}]
    assert [note.split(" is damaged")[0] for note in notes] == [
        f"line {number} of history.jsonl" for number in (2, 4, 5)
    ]
    drop_records_after(path, step=1)
    assert path.read_text() == '{"step": 1}\n'


def test_checkpoints_hold_weights_and_optimizer_state(tmp_path):
    steps, index = StepCounter(), CheckpointIndex(tmp_path / "checkpoints", keep=2)
    model = fit([steps, CheckpointWriter(index, steps)], epochs=3, steps=2)
    assert [one.step for one in index.checkpoints] == [4, 6]
    assert not list(tmp_path.rglob("*partial*"))
    other = fit([], epochs=1)
    other.load_weights(index.latest.path)
    assert int(other.optimizer.iterations) == 6
    for ours, theirs in zip(other.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


class Upper:
    """A translator that counts what it truncates: here the sources with an "x" in them."""

    def translate(self, texts):
        self.report = TranslationReport(len(texts), truncated=sum("x" in text for text in texts))
        return [text.upper() for text in texts]


def test_bleu_reaches_the_callbacks_after_it_with_its_signature(tmp_path):
    sources = ["one two three four five", "six seven eight nine ten"]
    bleu = ValidationScores(Upper(), sources, [[text.upper() for text in sources]])
    steps = StepCounter()
    fit([steps, bleu, HistoryWriter(tmp_path / "history.jsonl", steps)], epochs=1)
    (line,) = read_records(tmp_path / "history.jsonl")
    assert line["val_bleu"] == pytest.approx(100.0) and line["val_chrf"] == pytest.approx(100.0)
    assert line["val_truncated"] == 1
    assert "tok:13a" in bleu.signature
    assert bleu.translations == [text.upper() for text in sources]


def test_samples_are_shown_and_kept(tmp_path):
    shown, steps = [], StepCounter()
    samples = SampleTranslations(
        lambda texts: [Translation(text, text[::-1], truncated=len(text) > 3) for text in texts],
        ["abc", "abcd"], ["x", "y"], tmp_path / "s.jsonl", steps, shown.append,
    )  # fmt: skip
    fit([steps, samples], epochs=2, steps=2)
    lines = [json.loads(line) for line in (tmp_path / "s.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 2, 4, 4]
    assert [line["truncated"] for line in lines] == [False, True] * 2
    assert lines[0] | {"step": 0} == {
        "step": 0, "source": "abc", "reference": "x", "translation": "cba",
        "truncated": False,
    }  # fmt: skip
    assert shown == ["  abc  ->  cba", "  abcd  ->  dcba  (truncated)"] * 2


@pytest.mark.parametrize("terminal", [False, True])
def test_the_display_tells_step_loss_rate_speed_and_time_left(terminal):
    output, metric, steps = io.StringIO(), Perplexity(), StepCounter()
    console = Console(file=output, force_terminal=terminal, width=150)
    throughput = Throughput(metric)
    plan = StepPlan(3, 6, "")
    pace = Pace(steps, plan)
    display = ProgressDisplay(console, steps, throughput, plan, pace=pace, line_seconds=0.0)
    slow = At(lambda *_: time.sleep(0.25))
    fit([steps, throughput, pace, slow, display], epochs=2, steps=3, metric=metric)
    text = output.getvalue()
    for part in ("step 1/6", "loss 2.", "rate 1.00e-02", "target tokens/s", "left"):
        assert part in text, part
    assert "step 3: loss" in text and "perplexity" in text
    assert ("\x1b" in text) == terminal


class Clock:
    """Stands in for the module `time`: it says what it is told."""

    now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    """The clock of the display and of the pace."""
    one = Clock()
    for module in ("progress_display", "pace"):
        monkeypatch.setattr(f"keras_attn.training.callbacks.{module}.time", one)
    return one


def test_the_display_starts_its_clock_once_for_a_run_that_calls_fit_twice(clock):
    output, steps = io.StringIO(), StepCounter()
    console = Console(file=output, width=150)
    display = ProgressDisplay(console, steps, Throughput(Perplexity()), max_seconds=100.0)
    display.on_train_begin()
    clock.now += 8.0
    display.on_train_begin()
    assert display.seconds_left() == pytest.approx(92.0)
    assert output.getvalue().count("compiling the first step") == 1


def test_the_time_left_leaves_out_compilation_and_follows_the_limit_that_comes_first(clock):
    steps, plan = StepCounter(step=50), StepPlan(60, 100, "")
    pace = Pace(steps, plan, validation_batches=4)
    display = ProgressDisplay(
        Console(file=io.StringIO()), steps, Throughput(Perplexity()), plan, 1e5, pace
    )
    display.on_train_begin()
    steps.on_epoch_begin(0)
    pace.on_epoch_begin(0)
    assert display.seconds_left() == 1e5  # no update has been measured yet
    for batch, seconds in enumerate([400.0, 2.0, 300.0, 2.0]):  # two of them compiled
        clock.now += seconds
        steps.on_train_batch_end(batch)
        pace.on_train_batch_end(batch)
    # 46 updates of 2 s; validations after 60 and 100, each guessed as 4 updates
    assert display.seconds_left() == pytest.approx(46 * 2.0 + 2 * 4 * 2.0)
    clock.now += 1e5 - 704.0 - 50.0
    assert display.seconds_left() == pytest.approx(50.0)


@pytest.mark.parametrize(
    ("values", "reached"),
    [
        ([], False),
        ([5.0, 5.0], False),  # not yet two after the first
        ([5.0, 4.0, 4.5], False),  # the best is one of the last two
        ([5.0, 5.0, 5.0], True),  # equal is no better
        ([3.0, 5.0, 4.0], True),  # better than the one before, and still worse than the best
        ([5.0, 3.0, 4.0, 2.0], False),
        ([2.0, 5.0, 4.0, 3.0], True),
    ],
)
def test_a_training_is_stopped_after_so_many_validations_without_a_new_best(
    values, reached, tmp_path
):
    path = tmp_path / "history.jsonl"
    records = [{"step": 2 * i, "val_loss": value} for i, value in enumerate(values, start=1)]
    logged = [{"step": 2 * i + 1, "recent_loss": 0.1} for i in range(len(values))]
    append_records(path, sorted(records + logged, key=lambda record: record["step"]))
    assert EarlyStopping(path, "val_loss", False, patience=2).reached is reached
    negated = [{"step": one["step"], "val_bleu": -one["val_loss"]} for one in records]
    append_records(tmp_path / "negated.jsonl", negated)
    higher = EarlyStopping(tmp_path / "negated.jsonl", "val_bleu", True, patience=2)
    assert higher.reached is reached


def test_validations_without_the_metric_do_not_count_for_early_stopping(tmp_path):
    """A resumed run may have another metric than the validations before."""
    path = tmp_path / "history.jsonl"
    append_records(path, [{"step": step, "val_loss": 1.0} for step in (2, 4, 6)])
    stopping = EarlyStopping(path, "val_bleu", True, patience=1)
    assert not stopping.reached
    append_records(path, [{"step": 8, "val_loss": 1.0, "val_bleu": 3.0}])
    assert not stopping.reached
    append_records(path, [{"step": 10, "val_loss": 1.0, "val_bleu": 2.0}])
    assert stopping.reached


def test_throughput_is_cheap_to_read_after_very_many_steps(monkeypatch):
    seen = []

    def median(values):
        values = list(values)
        seen.append(len(values))
        return float(np.median(values))

    monkeypatch.setattr(statistics, "median", median)
    throughput, random = Throughput(Perplexity()), np.random.default_rng(0)
    seconds = random.uniform(0.05, 0.06, size=20_000)
    seconds[random.integers(0, 20_000, size=40)] = 5.0  # compiled
    for i, one in enumerate(seconds, start=1):
        throughput._calls.append((one, 100.0))
        if i % 20 == 0:
            compiled = throughput.compile_seconds
    steady = seconds[seconds <= 3 * np.median(seconds)]
    assert compiled == pytest.approx(seconds.sum() - steady.sum(), rel=1e-6)
    assert throughput.step_seconds == pytest.approx(seconds.sum())
    assert throughput.steady_tokens_per_second == pytest.approx(100 * len(steady) / steady.sum())
    assert sum(seen) < 4 * 20_000  # a reading of all of them every 20 steps: 500 times their number
