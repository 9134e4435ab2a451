"""The same mathematics on several devices as on one."""

import os
import subprocess
import sys

import pytest

# In a process of its own: logical devices can only be made before TensorFlow starts.
PROGRAM = """
import functools, sys, traceback, keras, numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras_attn
from keras_attn import create_model
from keras_attn.data import ByteTokenizer, Corpus, training_pipeline
from keras_attn.training import (
    GuardedAdam, LabelSmoothedCrossEntropy, Perplexity, TokenAccuracy, TrainingStep, get_strategy,
)
from keras_attn.training.replicas.distribute_batches import distribute_batches
from keras_attn.training.replicas.strategies import check_steps_per_execution
from keras_attn.training.update.seed_variables import seed_variables

random = np.random.default_rng(0)
def text(length):
    return "".join(random.choice(list("abcde"), length))
sizes = random.integers(1, 12, 33)   # uneven, and a last batch of one row
corpus = Corpus([text(n + 1) for n in sizes], [text(n) for n in sizes])
pipeline = training_pipeline(
    corpus, ByteTokenizer(), global_batch_tokens=8 * 16, num_buckets=1, rows_multiple=4
)
assert pipeline.shapes == [(8, 16)] and pipeline.steps_per_epoch == 5, pipeline.shapes

def trained(strategy, step=None, jit_compile=False, steps=5, optimizer=None, dtype="float32"):
    keras.utils.set_random_seed(1)
    with strategy.scope():
        model = create_model(
            "transformer_tiny", source_vocabulary_size=ByteTokenizer().vocabulary_size,
            hidden_dim=24, intermediate_dim=40, num_heads=3, num_layers=1, dropout=0.0, dtype=dtype,
        )
        model.compile(
            optimizer() if optimizer else keras.optimizers.SGD(0.3, momentum=0.9),
            loss=LabelSmoothedCrossEntropy(),
            weighted_metrics=[TokenAccuracy(), Perplexity()], jit_compile=jit_compile,
            auto_scale_loss=False,
        )
        model.training_step = step(model) if step else None
        model.optimizer.build(model.trainable_variables)
    validation = {}
    if step is None and optimizer is None:
        validation["validation_data"] = distribute_batches(pipeline, strategy)
    history = model.fit(
        distribute_batches(pipeline, strategy), steps_per_epoch=5, epochs=steps // 5, verbose=0,
        validation_steps=2, **validation,
    ).history
    return model, history

def same(ours, theirs, rtol=1e-5):
    for left, right in zip(ours[0].get_weights(), theirs[0].get_weights()):
        np.testing.assert_allclose(left, right, rtol=rtol, atol=2e-6)
    for name in ours[1]:
        np.testing.assert_allclose(ours[1][name], theirs[1][name], rtol=1e-4, err_msg=name)

one = tf.distribute.OneDeviceStrategy("/cpu:0")
two = get_strategy("mirrored")
assert (one.num_replicas_in_sync, two.num_replicas_in_sync) == (1, 2)

@functools.cache
def reference():
    return trained(one)

def uneven_tokens():
    same(trained(two), reference())

def parts():
    same(trained(two, lambda model: TrainingStep(model, 2)), reference())

def compiled_parts():
    same(trained(two, lambda model: TrainingStep(model, 2, jit_compile=True)), reference())

def taught():
    def step(model):
        keras.utils.set_random_seed(3)
        teacher = create_model(
            "rnn_tiny", source_vocabulary_size=ByteTokenizer().vocabulary_size, hidden_dim=16
        )
        compiled = model.distribute_strategy is two
        return TrainingStep(model, 2, jit_compile=compiled, teacher=teacher, teacher_weight=0.7)
    ours = trained(two, step)
    same(ours, trained(one, step))
    pairs = zip(ours[0].get_weights(), reference()[0].get_weights())
    assert max(np.abs(left - right).max() for left, right in pairs) > 1e-3

def clipped():
    adam = lambda: GuardedAdam(0.01, epsilon=1e-4, global_clipnorm=0.05, ema_decay=0.5)
    ours, theirs = trained(two, optimizer=adam), trained(one, optimizer=adam)
    same(ours, theirs, rtol=2e-5)
    for model in (ours[0], theirs[0]):
        model.optimizer.swap_averages()
    same(ours, theirs, rtol=2e-5)

def unbuilt():
    with two.scope():
        model = keras_attn.models.Transformer(19, None, 8, 16, 2, 1)
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    ids = np.arange(4, 18).reshape(2, 7)
    data = tf.data.Dataset.from_tensors(({"encoder_token_ids": ids, "decoder_token_ids": ids}, ids))
    losses = model.fit(two.experimental_distribute_dataset(data), verbose=0).history["loss"]
    assert 1 < losses[0] < 9, losses

def withheld():
    model, _ = trained(two, optimizer=lambda: GuardedAdam(0.01))
    before = model.get_weights()
    def update():
        bad = tf.distribute.get_replica_context().replica_id_in_sync_group == 1
        value = tf.where(bad, np.nan, 0.1)
        weights = model.trainable_variables
        model.optimizer.apply([tf.fill(each.shape, value) for each in weights], weights)
    tf.function(lambda: two.run(update))()
    assert model.optimizer.withheld_updates.numpy() == 1
    for variable, kept in zip(model.weights, before):
        for copy in two.experimental_local_results(variable.value):
            np.testing.assert_array_equal(copy.numpy(), kept)

def own_dropout():
    # The same rows on both devices: with the same dropout the update would be one device's.
    def updated(strategy, rows):
        keras.utils.set_random_seed(1)
        with strategy.scope():
            model = create_model(
                "transformer_tiny", source_vocabulary_size=19, hidden_dim=24,
                intermediate_dim=40, num_heads=3, num_layers=1, dropout=0.5,
            )
            model.compile(keras.optimizers.SGD(0.3), loss=LabelSmoothedCrossEntropy())
            model.training_step = TrainingStep(model)
            model.optimizer.build(model.trainable_variables)
        ids = np.tile(np.random.default_rng(2).integers(4, 19, (4, 7)), (rows // 4, 1))
        inputs = {"encoder_token_ids": ids, "decoder_token_ids": ids}
        data = tf.data.Dataset.from_tensors((inputs, ids)).repeat()
        if strategy is two:
            half = tf.data.Dataset.from_tensors(tf.nest.map_structure(
                lambda each: each[: rows // 2], (inputs, ids))).repeat()
            data = strategy.distribute_datasets_from_function(lambda context: half)
        model.fit(data, steps_per_epoch=1, verbose=0)
        return model
    ours, theirs = updated(two, 8), updated(one, 4)
    pairs = zip(ours.get_weights(), theirs.get_weights())
    assert max(np.abs(left - right).max() for left, right in pairs) > 1e-3
    for left, right in zip(seed_variables(ours), seed_variables(theirs), strict=True):
        copies = two.experimental_local_results(left.value)
        assert len(copies) == 2
        for copy in copies:
            np.testing.assert_array_equal(copy.numpy(), right.numpy())

def learns(policy):
    adam = lambda: GuardedAdam(0.003, scales_loss=policy == "mixed_float16")
    _, history = trained(two, step=TrainingStep, steps=45, optimizer=adam, dtype=policy)
    assert np.isfinite(history["loss"]).all()
    assert history["loss"][-1] < 0.7 * history["loss"][0], history["loss"]

def bfloat16():
    learns("mixed_bfloat16")

def float16():
    learns("mixed_float16")

def several_steps_in_one_call():
    strategy = get_strategy("mirrored")
    check_steps_per_execution(1, strategy)
    try:
        check_steps_per_execution(2, strategy)
    except ValueError as error:
        assert "must be 1 if several CPUs train" in str(error), error
    else:
        raise AssertionError("not refused")

for name in sys.argv[1:]:
    try:
        globals()[name]()
        print(name, "ok", flush=True)
    except Exception:
        print(name, "failed", traceback.format_exc().replace(chr(10), chr(31)))
"""

CHECKS = (
    "uneven_tokens",  # and a last batch of one row: two devices are one
    "parts",  # two parts on each of two devices are the whole batch on one
    "taught",  # a teacher that each device asks about its rows
    "clipped",  # by the norm of the global batch's gradient, and with averages
    "unbuilt",  # a model that is not built trains by plain `fit`
    "withheld",  # one replica's bad gradient withholds the update on both
    "own_dropout",  # each device drops something else
    "several_steps_in_one_call",  # are refused: TensorFlow would fail after minutes
    "compiled_parts",  # by XLA
    "bfloat16",  # finite, and learns
    "float16",
)


@pytest.fixture(scope="module")
def results() -> dict[str, str]:
    """What came of each check, by its name."""
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, *CHECKS],
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert result.returncode == 0, result.stderr[-3000:]
    pairs = (line.partition(" ") for line in result.stdout.splitlines())
    return {name: outcome.replace(chr(31), "\n") for name, _, outcome in pairs}


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS)
def test_two_devices_do_what_one_does(check, results):
    assert results[check] == "ok", results[check]
