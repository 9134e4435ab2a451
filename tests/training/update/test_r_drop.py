"""R-Drop: its divergence against NumPy float64 and Keras, its update against one made by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attn.training import TrainingStep
from keras_attn.training.update.consistency_loss import symmetric_divergence
from tests.support.one_update import ROWS, V, descended, logits_and_weights, make_batch, make_model


def in_numpy(first: np.ndarray, second: np.ndarray, weights: np.ndarray) -> float:
    """The two Kullback-Leibler divergences, one by one, in float64."""
    p, q = (np.exp(one.astype("float64")) for one in (first, second))
    p, q = (one / one.sum(-1, keepdims=True) for one in (p, q))
    both = (p * np.log(p / q)).sum(-1) + (q * np.log(q / p)).sum(-1)
    return float((both * weights).sum())


def test_the_divergence_is_that_of_float64_and_is_symmetric() -> None:
    first, second, weights = logits_and_weights()
    expected = in_numpy(first, second, weights)
    assert float(symmetric_divergence(first, second, weights)) == pytest.approx(expected, rel=1e-5)
    assert float(symmetric_divergence(second, first, weights)) == pytest.approx(expected, rel=1e-5)
    assert float(symmetric_divergence(first, first, weights)) == 0.0


def test_its_gradient_is_that_of_central_differences_and_0_at_padding() -> None:
    first, second, weights = logits_and_weights()
    variable = tf.Variable(first)
    with tf.GradientTape() as tape:
        loss = symmetric_divergence(variable, second, weights)
    gradient = tape.gradient(loss, variable).numpy()
    for index in [(0, 0, 1), (2, 3, 4), (3, 5, 10)]:
        step = np.zeros_like(first, dtype="float64")
        step[index] = 1e-5
        numeric = in_numpy(first + step, second, weights) - in_numpy(first - step, second, weights)
        assert gradient[index] == pytest.approx(numeric / 2e-5, rel=1e-3, abs=1e-6)
    assert (gradient[1] == 0).all() and np.abs(gradient[0]).min() > 0


def test_logits_at_padding_do_not_matter_even_if_they_are_not_numbers() -> None:
    first, second, weights = logits_and_weights()
    spoiled = first.copy()
    spoiled[1] = np.nan
    variable = tf.Variable(spoiled)
    with tf.GradientTape() as tape:
        divergence = symmetric_divergence(variable, second, weights)
    assert float(divergence) == pytest.approx(in_numpy(first, second, weights), rel=1e-5)
    gradient = tape.gradient(divergence, variable).numpy()
    assert (gradient[1] == 0).all() and np.isfinite(gradient).all()


def test_a_token_that_both_passes_rule_out_adds_nothing() -> None:
    first, second, weights = logits_and_weights()
    both = [np.where(np.arange(V) == 3, -np.inf, one) for one in (first, second)]
    others = [np.delete(one, 3, axis=-1) for one in (first, second)]

    def value_and_gradients(logits: list[np.ndarray]) -> tuple[float, list[np.ndarray]]:
        tensors = [tf.constant(one, tf.float32) for one in logits]
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            value = symmetric_divergence(*tensors, weights)
        return float(value), [one.numpy() for one in tape.gradient(value, tensors)]

    value, gradients = value_and_gradients(both)
    _, expected = value_and_gradients(others)
    assert value == pytest.approx(in_numpy(*others, weights), rel=1e-5)
    for ours, theirs in zip(gradients, expected, strict=True):
        assert (ours[..., 3] == 0).all()
        np.testing.assert_allclose(np.delete(ours, 3, axis=-1), theirs, rtol=1e-4, atol=1e-6)


def updated_by_hand(dropout: float, weight: float, num_parts: int) -> list[np.ndarray]:
    """Two passes a part, Keras' own losses, plain gradient descent."""
    model = make_model(dropout)
    inputs, targets = make_batch()
    tokens = (targets > 0).sum()
    divergence = keras.losses.KLDivergence(reduction="none")
    rows = ROWS // num_parts
    with tf.GradientTape() as tape:
        total = 0.0
        for start in range(0, ROWS, rows):
            part = {name: ids[start : start + rows] for name, ids in inputs.items()}
            labels = targets[start : start + rows]
            one, other = model(part, training=True), model(part, training=True)
            dense = 0.9 * tf.one_hot(labels, V) + 0.1 / V
            losses = [
                keras.losses.categorical_crossentropy(dense, logits, from_logits=True)
                for logits in (one, other)
            ]
            p, q = tf.nn.softmax(one), tf.nn.softmax(other)
            apart = divergence(p, q) + divergence(q, p)
            token = (losses[0] + losses[1]) / 2 + weight / 4 * apart
            total += tf.reduce_sum(token * (labels > 0)) / tokens
    return descended(model, tape, total)


def updated(dropout: float, weight: float, num_parts: int) -> list[np.ndarray]:
    model = make_model(dropout)
    model.training_step = TrainingStep(model, num_parts, r_drop_weight=weight)
    model.train_on_batch(*make_batch())
    return [one.numpy() for one in model.trainable_variables]


@pytest.mark.slow
@pytest.mark.parametrize("num_parts", [1, 2])
def test_the_update_is_that_of_two_passes_by_hand(num_parts: int) -> None:
    ours, theirs = updated(0.4, 5.0, num_parts), updated_by_hand(0.4, 5.0, num_parts)
    for left, right in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-5)
    without = updated(0.4, 0.0, num_parts)
    assert max(np.abs(a - b).max() for a, b in zip(ours, without, strict=True)) > 1e-3


def test_without_dropout_it_changes_nothing() -> None:
    for left, right in zip(updated(0.0, 5.0, 1), updated(0.0, 0.0, 1), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-6)


def test_a_weight_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="`r_drop_weight` must be at least 0"):
        TrainingStep(make_model(0.1), r_drop_weight=-1.0)
