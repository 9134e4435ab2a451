"""Sampling follows the distribution that it was asked for, and says so honestly."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from keras_attn.decoding import GreedySearch, RandomSampling, search
from tests.decoding.toy_models import (
    END,
    ToyModels,
    check_result,
    fixed_state,
    fixed_step,
    hypotheses_of,
    log_of,
    toy_decode_step,
)

ROWS = 20_000
PROBABILITIES = {0: 0.1, 1: 0.05, 2: 0.1, END: 0.15, 4: 0.35, 5: 0.2, 6: 0.05}  # 0, 2: masked


def first_token_frequencies(strategy: RandomSampling) -> np.ndarray:
    """How often each token comes first in `ROWS` samples from `PROBABILITIES`."""
    logits = np.tile(log_of(PROBABILITIES, 7), (ROWS, 1))
    result = search(fixed_step(logits), fixed_state(ROWS), strategy, max_length=2)
    return np.bincount(result.token_ids.numpy()[:, 0, 0], minlength=7) / ROWS


def assert_frequencies(found: np.ndarray, weights: dict[int, float]) -> None:
    """Within five standard errors of the normalized weights; nothing else at all."""
    total = sum(weights.values())
    for token, frequency in enumerate(found):
        expected = weights.get(token, 0.0) / total
        assert abs(frequency - expected) <= 5 * np.sqrt(expected * (1 - expected) / ROWS), token


@pytest.mark.parametrize("seed", [0, 2**40])
def test_frequencies_follow_the_softmax_over_the_tokens_that_may_be_produced(seed: int) -> None:
    weights = {token: PROBABILITIES[token] for token in (1, END, 4, 5, 6)}
    assert_frequencies(first_token_frequencies(RandomSampling(seed=seed)), weights)


@pytest.mark.parametrize("temperature", [0.5, 3.0])
def test_temperature_divides_the_logits(temperature: float) -> None:
    weights = {token: PROBABILITIES[token] ** (1 / temperature) for token in (1, END, 4, 5, 6)}
    assert_frequencies(first_token_frequencies(RandomSampling(temperature)), weights)


@pytest.mark.parametrize("cut", [{}, {"top_k": 5}, {"top_p": 0.99}])
@pytest.mark.parametrize(
    ("temperature", "weights"),
    [
        *((temperature, {4: 1.0}) for temperature in (1e-300, 1e-39, 1e-37)),
        (1e300, dict.fromkeys((1, END, 4, 5, 6), 1.0)),
    ],
)
def test_the_limits_of_the_temperature_are_greedy_and_uniform(temperature, weights, cut) -> None:
    assert_frequencies(first_token_frequencies(RandomSampling(temperature, **cut)), weights)


@pytest.mark.parametrize("mask", [-1e9, -np.inf])
@pytest.mark.parametrize("cut", [{}, {"top_k": 5}, {"top_p": 0.99}])
def test_a_high_temperature_does_not_draw_what_the_model_rules_out(mask, cut) -> None:
    logits = log_of({1: 0.3, END: 0.2, 5: 0.5}, 7) - 100.0
    logits[[4, 6]] = mask
    result = search(
        fixed_step(np.tile(logits, (ROWS, 1))),
        fixed_state(ROWS),
        RandomSampling(1e12, **cut),
        max_length=2,
    )
    found = np.bincount(result.token_ids.numpy()[:, 0, 0], minlength=7) / ROWS
    assert_frequencies(found, dict.fromkeys((1, END, 5), 1.0))


def test_if_the_model_rules_out_every_token_the_rules_decide() -> None:
    log_probabilities = tf.fill((200, 6), -1e9)
    allowed = tf.tile([[False, True, False, False, True, False]], (200, 1))
    chosen = RandomSampling().choose(log_probabilities, allowed, step=0).numpy()
    assert set(chosen) == {1, 4}


@pytest.mark.parametrize(
    ("arguments", "kept"),
    [
        ({"top_k": 3}, (4, 5, END)),
        ({"top_k": 99}, (1, END, 4, 5, 6)),  # more than there are
        # Of the producible mass 0.8: 4 has 0.4375, 4 and 5 have 0.6875, with END 0.875.
        ({"top_p": 0.43}, (4,)),
        ({"top_p": 0.45}, (4, 5)),
        ({"top_p": 0.70}, (4, 5, END)),
        ({"top_p": 1e-9}, (4,)),  # always at least one
        # Of the best two, renormalized, 4 has 0.636.
        ({"top_k": 2, "top_p": 0.6}, (4,)),
        ({"top_k": 2, "top_p": 0.7}, (4, 5)),
    ],
)
def test_top_k_and_top_p_keep_the_most_probable_tokens(arguments: dict, kept: tuple) -> None:
    weights = {token: PROBABILITIES[token] for token in kept}
    assert_frequencies(first_token_frequencies(RandomSampling(**arguments)), weights)


def test_top_p_measures_the_mass_after_the_temperature() -> None:
    # At temperature 0.5 token 4 alone has 0.35^2 / (the sum of the squares, 0.19) = 0.645.
    strategy = RandomSampling(temperature=0.5, top_p=0.6)
    assert_frequencies(first_token_frequencies(strategy), {4: 1.0})


def test_the_top_one_is_greedy_search() -> None:
    models = ToyModels(num_models=40, vocabulary_size=7, seed=8)
    greedy = search(toy_decode_step, models.state(), GreedySearch(), 7)
    sampled = search(toy_decode_step, models.state(), RandomSampling(top_k=1, temperature=5.0), 7)
    np.testing.assert_array_equal(greedy.token_ids, sampled.token_ids)
    np.testing.assert_array_equal(greedy.truncated, sampled.truncated)
    # They add up the same probabilities, computed in different orders.
    np.testing.assert_allclose(greedy.log_probabilities, sampled.log_probabilities, rtol=1e-6)
    np.testing.assert_allclose(greedy.scores, sampled.scores, rtol=1e-6)


@pytest.mark.parametrize(
    "arguments", [{}, {"temperature": 2.0, "min_length": 2}, {"top_k": 2}, {"top_p": 0.5}]
)
def test_the_log_probability_is_the_models_whatever_was_cut(arguments: dict) -> None:
    models = ToyModels(num_models=40, vocabulary_size=7, seed=9)
    limits = [1 + row % 6 for row in range(40)]
    strategy = RandomSampling(**arguments)
    result = search(toy_decode_step, models.state(), strategy, 6, tf.constant(limits))
    check_result(models, result, limits, alpha=None, min_length=arguments.get("min_length", 0))


def test_the_same_seed_gives_the_same_sample_and_another_seed_another() -> None:
    models = ToyModels(num_models=40, vocabulary_size=7, seed=9)

    def sample(seed: int) -> list:
        result = search(toy_decode_step, models.state(), RandomSampling(seed=seed), 9)
        return result.token_ids.numpy().tolist()

    assert sample(5) == sample(5)
    assert sample(5) != sample(6)


@pytest.mark.parametrize("arguments", [{}, {"top_k": 30}])
def test_rows_and_steps_draw_different_numbers(arguments: dict) -> None:
    logits = np.zeros((50, 40), np.float32)
    strategy = RandomSampling(min_length=9, **arguments)
    result = search(fixed_step(logits), fixed_state(50), strategy, max_length=10)
    rows = [hypotheses_of(result, row)[0][:9] for row in range(50)]
    assert len(set(rows)) == 50
    assert all(len(set(row)) > 1 for row in rows)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"temperature": 0}, "`temperature` must be greater than 0.*GreedySearch"),
        ({"temperature": float("inf")}, "`temperature` must be a finite number"),
        ({"top_k": -1}, "`top_k`"),
        ({"top_p": 0.0}, r"`top_p` must be in \(0, 1\]"),
        ({"top_p": 1.5}, "`top_p`"),
        ({"seed": -1}, "`seed`"),
        ({"seed": 2**63}, "`seed`"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RandomSampling(**arguments)
