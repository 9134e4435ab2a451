"""The loss equals the dense formula in float64, exactly per token, on one device and on two."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attn.training.update.label_smoothed_cross_entropy import LabelSmoothedCrossEntropy

ROWS, LENGTH, VOCABULARY = 3, 5, 11


def make_batch(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    logits = random.normal(scale=3.0, size=(ROWS, LENGTH, VOCABULARY))
    labels = random.integers(1, VOCABULARY, size=(ROWS, LENGTH)).astype("int32")
    labels[0, 2:] = 0
    labels[1, 4:] = 0
    return logits, labels


def dense_loss(logits, labels, smoothing, weights=None):
    """The definition: cross entropy with (1 - e) onehot + e / V, in float64."""
    shifted = logits - logits.max(-1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    wanted = (1 - smoothing) * np.eye(VOCABULARY)[labels] + smoothing / VOCABULARY
    losses = -(wanted * log_probabilities).sum(-1)
    weights = (labels != 0) * (1.0 if weights is None else weights)
    return (losses * weights).sum() / weights.sum()


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.37])
def test_the_loss_is_the_dense_smoothed_cross_entropy_per_real_token(smoothing):
    logits, labels = make_batch()
    loss = LabelSmoothedCrossEntropy(smoothing)(labels, logits.astype("float32"))
    assert float(loss) == pytest.approx(dense_loss(logits, labels, smoothing), rel=1e-6)


def test_what_stands_at_padding_changes_nothing():
    logits, labels = make_batch()
    loss = LabelSmoothedCrossEntropy()
    before = float(loss(labels, logits.astype("float32")))
    logits[labels == 0] = 1e4
    assert float(loss(labels, logits.astype("float32"))) == pytest.approx(before, rel=1e-6)


@pytest.mark.parametrize("rank", [1, 2])
def test_sample_weights_multiply_above_and_below_the_line(rank):
    logits, labels = make_batch()
    weights = np.random.default_rng(1).uniform(0.1, 2.0, size=(ROWS, LENGTH)[:rank])
    loss = LabelSmoothedCrossEntropy(0.1)(labels, logits.astype("float32"), weights)
    spread = weights if rank == 2 else np.repeat(weights[:, None], LENGTH, axis=1)
    assert float(loss) == pytest.approx(dense_loss(logits, labels, 0.1, spread), rel=1e-6)


def test_another_padding_id_may_be_chosen():
    logits, labels = make_batch()
    moved = np.where(labels == 0, 7, np.where(labels == 7, 1, labels)).astype("int32")
    loss = LabelSmoothedCrossEntropy(0.0, pad_token_id=7)(moved, logits.astype("float32"))
    shifted = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    picked = np.take_along_axis(shifted, moved[..., None], -1)[..., 0]
    assert float(loss) == pytest.approx(-picked[moved != 7].mean(), rel=1e-5)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_gradient_is_that_of_the_dense_formula(jit_compile):
    logits, labels = make_batch()
    weights = np.random.default_rng(1).uniform(0.1, 2.0, size=(ROWS, LENGTH)).astype("float32")
    loss = LabelSmoothedCrossEntropy(0.2)

    @tf.function(jit_compile=jit_compile)
    def gradient_of_ours(logits):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = 3.0 * loss(labels, logits, weights)
        return tape.gradient(value, logits)

    dense_logits = tf.constant(logits, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(dense_logits)
        wanted = 0.8 * tf.one_hot(labels, VOCABULARY, dtype=tf.float64) + 0.2 / VOCABULARY
        losses = -tf.reduce_sum(wanted * tf.nn.log_softmax(dense_logits), -1)
        masked = tf.cast(weights * (labels != 0), tf.float64)
        value = 3.0 * tf.reduce_sum(losses * masked) / tf.reduce_sum(masked)
    expected = tape.gradient(value, dense_logits).numpy()
    ours = gradient_of_ours(tf.constant(logits, tf.float32)).numpy()
    np.testing.assert_allclose(ours, expected, atol=1e-7)
    assert not ours[labels == 0].any()


def test_a_batch_without_real_tokens_costs_zero_and_has_no_gradient():
    logits = tf.Variable(tf.random.normal((2, 3, 7)))
    with tf.GradientTape() as tape:
        loss = LabelSmoothedCrossEntropy()(tf.zeros((2, 3), tf.int32), logits)
    assert float(loss) == 0.0
    assert not tape.gradient(loss, logits).numpy().any()


def test_half_precision_logits_are_summed_in_float32():
    logits = tf.zeros((2, 3, 4096), tf.bfloat16)
    loss = LabelSmoothedCrossEntropy(0.1)(tf.ones((2, 3), tf.int32), logits)
    assert loss.dtype == tf.float32
    assert float(loss) == pytest.approx(np.log(4096), rel=1e-6)


def test_very_large_logits_do_not_overflow():
    logits = tf.constant([[[1e4, -1e4, 0.0]]])
    loss = LabelSmoothedCrossEntropy(0.0)
    assert float(loss([[1]], logits)) == pytest.approx(2e4)
    assert float(loss([[2]], logits)) == pytest.approx(1e4)


def test_each_tokens_own_loss_can_be_asked():
    logits, labels = make_batch()
    losses = LabelSmoothedCrossEntropy(0.1).call(labels, logits.astype("float32")).numpy()
    assert losses.shape == (ROWS, LENGTH)
    assert not losses[labels == 0].any()
    mean = losses.sum() / (labels != 0).sum()
    assert mean == pytest.approx(dense_loss(logits, labels, 0.1), rel=1e-6)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_a_smoothing_outside_zero_to_one_is_refused(smoothing):
    with pytest.raises(ValueError, match="`label_smoothing`.*Received"):
        LabelSmoothedCrossEntropy(smoothing)


def test_plain_compile_and_fit_work_and_the_model_is_saved_with_its_loss(tmp_path):
    from keras_attn.training.update.transformer_schedule import TransformerSchedule

    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [keras.Input((None,), dtype="int32"), keras.layers.Embedding(13, 8), keras.layers.Dense(13)]
    )
    schedule = TransformerSchedule.from_peak(0.05, 10)
    model.compile(keras.optimizers.Adam(schedule), loss=LabelSmoothedCrossEntropy(0.05))
    token_ids = np.random.default_rng(0).integers(1, 13, size=(32, 6)).astype("int32")
    token_ids[:, 5] = 0
    history = model.fit(token_ids, token_ids, epochs=15, verbose=0).history["loss"]
    assert history[-1] < 0.7 * history[0]
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.loss.get_config() == model.loss.get_config()
    assert again.optimizer._learning_rate.get_config() == schedule.get_config()
    expected = model.evaluate(token_ids, token_ids, verbose=0)
    assert again.evaluate(token_ids, token_ids, verbose=0) == pytest.approx(expected, rel=1e-6)


TWO_REPLICAS = """
import keras, numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from keras_attn.training.update.label_smoothed_cross_entropy import LabelSmoothedCrossEntropy
from keras_attn.training.update.perplexity import Perplexity
from keras_attn.training.replicas.strategies import get_strategy
from keras_attn.training.update.token_accuracy import TokenAccuracy

token_ids = np.random.default_rng(0).integers(1, 13, size=(8, 6)).astype("int32")
token_ids[:4, 2:] = 0                               # the first replica gets 8 tokens, the other 24
weights = np.random.default_rng(1).uniform(0.5, 2.0, size=(8, 6)).astype("float32")
dataset = tf.data.Dataset.from_tensors((token_ids, token_ids[:, ::-1] * (token_ids > 0), weights))

def trained(strategy):
    with strategy.scope():
        keras.utils.set_random_seed(3)
        model = keras.Sequential([keras.Input((6,), dtype="int32"), keras.layers.Embedding(13, 5),
                                  keras.layers.Dense(13)])
        model.compile(keras.optimizers.SGD(1.0), loss=LabelSmoothedCrossEntropy(0.1),
                      weighted_metrics=[TokenAccuracy(), Perplexity()])
    history = model.fit(dataset, epochs=3, verbose=0).history
    return strategy.num_replicas_in_sync, model.get_weights(), history

one, expected, one_history = trained(tf.distribute.OneDeviceStrategy("/cpu:0"))
two, weights, two_history = trained(get_strategy("mirrored"))
assert (one, two) == (1, 2), (one, two)
for left, right in zip(expected, weights):
    np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-6)
for name in one_history:
    np.testing.assert_allclose(one_history[name], two_history[name], rtol=1e-5, err_msg=name)
print("equal", sorted(one_history))
"""


@pytest.mark.slow
def test_two_replicas_with_uneven_tokens_train_exactly_as_one_device():
    """In a process of its own: logical devices can only be made before TensorFlow starts."""
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", TWO_REPLICAS],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert "equal ['loss', 'perplexity', 'token_accuracy']" in result.stdout


@pytest.mark.parametrize("jit_compile", [False, True], ids=["plain graph", "XLA"])
@pytest.mark.parametrize("pad_token_id", [0, -100])
def test_ignored_labels_are_never_looked_up_in_a_graph(pad_token_id, jit_compile):
    logits = tf.constant(np.random.default_rng(2).normal(size=(2, 3, 7)), tf.float32)
    labels = tf.constant([[4, pad_token_id, 5], [6, -100, pad_token_id]])
    loss = LabelSmoothedCrossEntropy(0.1, pad_token_id=pad_token_id)

    @tf.function(jit_compile=jit_compile)
    def run(labels, logits):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = loss(labels, logits)
        return value, tape.gradient(value, logits)

    value, gradient = run(labels, logits)
    log_probabilities = tf.nn.log_softmax(tf.cast(logits, tf.float64)).numpy()
    counted = [(0, 0, 4), (0, 2, 5), (1, 0, 6)]
    expected = np.mean(
        [
            -0.9 * log_probabilities[place] - 0.1 * log_probabilities[place[:2]].mean()
            for place in counted
        ]
    )
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    is_counted = np.zeros((2, 3), bool)
    is_counted[[0, 0, 1], [0, 2, 0]] = True
    np.testing.assert_array_equal(np.abs(gradient).sum(axis=-1) > 0, is_counted)


def test_a_label_beyond_the_vocabulary_makes_loss_and_gradient_nan_under_xla():
    logits = tf.zeros((1, 2, 7))

    @tf.function(jit_compile=True)
    def run(labels):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = LabelSmoothedCrossEntropy()(labels, logits)
        return value, tape.gradient(value, logits)

    value, gradient = run(tf.constant([[4, 7]]))
    assert np.isnan(value) and np.isnan(gradient).any()


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_logits_that_are_no_numbers_count_for_nothing_at_padding(jit_compile, value):
    logits, labels = make_batch()
    loss = LabelSmoothedCrossEntropy(0.1)
    expected = dense_loss(logits, labels, 0.1)
    spoiled = np.where((labels == 0)[..., None], value, logits).astype("float32")

    @tf.function(jit_compile=jit_compile)
    def value_and_gradient(logits):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            result = loss(labels, logits)
        return result, tape.gradient(result, logits), loss.call(labels, logits)

    result, gradient, losses = value_and_gradient(tf.constant(spoiled))
    _, clean, _ = value_and_gradient(tf.constant(logits, tf.float32))
    assert float(result) == pytest.approx(expected, rel=1e-6)
    np.testing.assert_array_equal(gradient, clean)
    assert not np.array(losses)[labels == 0].any()
    spoiled[2, 0] = np.nan  # of a real token
    assert np.isnan(value_and_gradient(tf.constant(spoiled))[0])
