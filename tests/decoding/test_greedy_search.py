"""Greedy search takes the most probable token, and stops where it must."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from keras_attn.decoding import GreedySearch, search
from tests.decoding.toy_models import (
    END,
    ToyModels,
    check_result,
    fixed_state,
    fixed_step,
    hypotheses_of,
    log_of,
    producible,
    toy_decode_step,
)


@pytest.mark.parametrize("min_length", [0, 3])
def test_greedy_search_takes_the_most_probable_token_at_every_step(min_length: int) -> None:
    models = ToyModels(num_models=70, vocabulary_size=7, seed=3)
    limits = [1 + row % 6 for row in range(70)]
    strategy = GreedySearch(min_length=min_length)
    result = search(toy_decode_step, models.state(), strategy, 6, tf.constant(limits))
    check_result(models, result, limits, alpha=None, min_length=min_length)
    for row, limit in enumerate(limits):
        tokens: tuple[int, ...] = ()
        while END not in tokens:
            allowed = producible(7) + ([END] if len(tokens) >= min_length else [])
            scores = models.log_probabilities(row, tokens)
            best = max(allowed, key=lambda token: scores[token])
            tokens += (END if len(tokens) == limit - 1 else best,)
        assert hypotheses_of(result, row) == [tokens]


def test_a_limit_of_one_gives_the_end_token_and_its_probability() -> None:
    logits = [log_of({END: 0.3, 4: 0.7}, 5), log_of({END: 0.8, 4: 0.2}, 5)]
    result = search(fixed_step(logits), fixed_state(2), GreedySearch(), max_length=1)
    assert result.token_ids.numpy().tolist() == [[[END]], [[END]]]
    np.testing.assert_allclose(result.log_probabilities[:, 0], np.log([0.3, 0.8]), rtol=1e-5)
    assert result.truncated.numpy().tolist() == [[True], [False]]


def test_truncated_tells_a_forced_end_from_a_chosen_one_at_the_limit() -> None:
    # 4 comes most often, then, at the third step, the end (first sentence) or 4 again (second).
    ends = tf.constant([log_of({4: 0.9, END: 0.1}, 5), log_of({4: 0.2, END: 0.8}, 5)])

    def decode_step(token_ids: tf.Tensor, state: dict) -> tuple[tf.Tensor, dict]:
        now = tf.where(state["position"] < 2, [0, 0], [1, 0])
        return tf.gather(ends, now), {**state, "position": state["position"] + 1}

    result = search(decode_step, fixed_state(2), GreedySearch(), max_length=3)
    assert hypotheses_of(result, 0) == hypotheses_of(result, 1) == [(4, 4, END)]
    assert result.truncated.numpy().tolist() == [[False], [True]]
    np.testing.assert_allclose(
        result.log_probabilities[:, 0], np.log([0.9 * 0.9 * 0.8, 0.9 * 0.9 * 0.1]), rtol=1e-5
    )


def test_padding_and_start_are_never_produced_but_keep_their_probability() -> None:
    logits = [log_of({0: 0.4, 2: 0.3, 4: 0.2, END: 0.1}, 5)]
    result = search(fixed_step(logits), fixed_state(1), GreedySearch(), max_length=2)
    assert hypotheses_of(result, 0) == [(4, END)]
    np.testing.assert_allclose(result.log_probabilities[0, 0], np.log(0.2 * 0.1), rtol=1e-5)


def test_the_minimum_length_counts_tokens_before_the_end_and_yields_to_the_limit() -> None:
    logits = [log_of({END: 0.9, 4: 0.1}, 5)] * 2
    limits = tf.constant([6, 2])
    result = search(fixed_step(logits), fixed_state(2), GreedySearch(min_length=3), 6, limits)
    assert hypotheses_of(result, 0) == [(4, 4, 4, END)]
    assert hypotheses_of(result, 1) == [(4, END)]
    assert not result.truncated.numpy().any()  # the model wanted to end


def test_other_start_and_end_tokens_can_be_named() -> None:
    # Fed the start token 5, the model says 2; then it says 1, here the end.
    table = tf.one_hot([0, 0, 1, 0, 0, 2, 0], 7) * 20.0

    def decode_step(token_ids: tf.Tensor, state: dict) -> tuple[tf.Tensor, dict]:
        return tf.gather(table, token_ids[:, 0]), state

    result = search(
        decode_step, fixed_state(1), "greedy", max_length=4, start_token_id=5, end_token_id=1
    )
    assert result.token_ids.numpy().tolist() == [[[2, 1, 0, 0]]]
