"""Token accuracy and perplexity count real tokens only, by weight, over a whole corpus."""

import keras
import numpy as np
import pytest

from keras_attn.training.update.perplexity import Perplexity
from keras_attn.training.update.token_accuracy import TokenAccuracy

METRICS = [TokenAccuracy, Perplexity]


def make_batches() -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    random = np.random.default_rng(0)
    batches = []
    for rows, length in [(2, 7), (5, 3)]:
        labels = random.integers(0, 6, size=(rows, length)).astype("int32")
        logits = random.normal(size=(rows, length, 6)).astype("float32")
        batches.append((labels, logits, random.uniform(0.0, 2.0, size=(rows, length))))
    return batches


@pytest.mark.parametrize("weighted", [False, True])
def test_both_metrics_equal_numpy_over_all_tokens_of_all_batches(weighted):
    accuracy, perplexity = TokenAccuracy(), Perplexity()
    right = loss = total = 0.0
    for labels, logits, sample_weight in make_batches():
        weights = (labels != 0) * (sample_weight if weighted else 1.0)
        given = sample_weight if weighted else None
        accuracy.update_state(labels, logits, given)
        perplexity.update_state(labels, logits, given)
        log_probabilities = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        picked = np.take_along_axis(log_probabilities, labels[..., None], -1)[..., 0]
        right += ((logits.argmax(-1) == labels) * weights).sum()
        loss -= (picked * weights).sum()
        total += weights.sum()
    assert float(accuracy.result()) == pytest.approx(right / total, rel=1e-6)
    assert float(perplexity.result()) == pytest.approx(np.exp(loss / total), rel=1e-5)
    assert float(perplexity.token_count) == pytest.approx(total, rel=1e-6)


def test_a_tie_for_the_highest_logit_counts_as_right():
    accuracy = TokenAccuracy()
    accuracy.update_state([[1, 2]], [[[0.0, 3.0, 3.0], [0.0, 3.0, 3.0]]])
    assert float(accuracy.result()) == 1.0


def test_before_any_token_accuracy_is_zero_and_perplexity_one():
    assert float(TokenAccuracy().result()) == 0.0
    assert float(Perplexity().result()) == 1.0


@pytest.mark.parametrize("metric_class", METRICS)
def test_a_reset_forgets_and_the_configuration_round_trips(metric_class):
    metric = metric_class(pad_token_id=3, name="mine")
    first = float(metric.result())
    labels, logits, _ = make_batches()[0]
    metric.update_state(labels, logits)
    assert float(metric.result()) != first
    metric.reset_state()
    assert float(metric.result()) == first
    again = keras.metrics.deserialize(keras.metrics.serialize(metric))
    assert again.pad_token_id == 3 and again.name == "mine"


@pytest.mark.parametrize("metric_class", METRICS)
def test_half_precision_logits_are_counted_in_float32(metric_class):
    labels, logits, _ = make_batches()[0]
    metric, expected = metric_class(), metric_class()
    half = keras.ops.cast(logits, "bfloat16")
    metric.update_state(labels, half)
    expected.update_state(labels, keras.ops.cast(half, "float32"))
    assert float(metric.result()) == float(expected.result())


@pytest.mark.parametrize("metric_class", METRICS)
def test_logits_that_are_no_numbers_count_for_nothing_at_padding(metric_class):
    labels, logits, _ = make_batches()[0]
    metric, expected = metric_class(), metric_class()
    metric.update_state(labels, np.where((labels == 0)[..., None], np.nan, logits))
    expected.update_state(labels, logits)
    assert (labels == 0).any() and float(metric.result()) == float(expected.result())
