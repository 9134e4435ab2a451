"""Beam search finds what exhaustive search and an independent implementation find."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from keras_attn.decoding import BeamSearch, GreedySearch, search
from tests.decoding.toy_models import (
    END,
    ToyModels,
    all_sequences,
    check_result,
    fixed_state,
    fixed_step,
    hypotheses_of,
    log_of,
    penalized,
    producible,
    toy_decode_step,
)

ALPHAS = [0.0, 0.6, 1.0, -0.5]


@pytest.fixture(scope="module")
def models() -> ToyModels:
    return ToyModels(num_models=64, vocabulary_size=7, seed=11)


def python_beam_search(
    models: ToyModels, model: int, num_beams: int, alpha: float, limit: int, min_length: int
) -> list[tuple[float, tuple[int, ...]]]:
    """The algorithm that `BeamSearch` documents, in plain float64, and without stopping early."""
    alive: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    finished: list[tuple[float, tuple[int, ...]]] = []
    for step in range(limit):
        tokens = producible(models.vocabulary_size)
        if step == limit - 1:
            tokens = [END]
        elif step >= min_length:
            tokens = sorted([*tokens, END])
        continuations = [
            (so_far + models.log_probabilities(model, prefix)[token], (*prefix, token))
            for so_far, prefix in alive
            for token in tokens
        ]
        continuations.sort(key=lambda pair: -pair[0])
        kept = continuations[: num_beams - len(finished)]
        finished += [pair for pair in kept if pair[1][-1] == END]
        alive = [pair for pair in kept if pair[1][-1] != END]
    scored = [(penalized(total, len(tokens), alpha), tokens) for total, tokens in finished]
    return sorted(scored, key=lambda pair: -pair[0])


@pytest.mark.parametrize("alpha", ALPHAS)
def test_a_beam_as_wide_as_all_sequences_is_exhaustive_search(alpha: float) -> None:
    # Rows: 60 models, each under the limits 1, 2, 3 and 4. There are 1 + 3 + 9 + 27 sequences.
    models = ToyModels(num_models=240, vocabulary_size=6, seed=5)
    limits = [1 + row % 4 for row in range(240)]
    strategy = BeamSearch(num_beams=40, length_penalty=alpha, num_hypotheses=7)
    result = search(toy_decode_step, models.state(), strategy, 4, tf.constant(limits))
    for row, limit in enumerate(limits):
        ranked = sorted(
            (
                (penalized(models.log_probability(row, tokens), len(tokens), alpha), tokens)
                for tokens in all_sequences(6, limit)
            ),
            reverse=True,
        )[:7]
        found = [tokens for tokens in hypotheses_of(result, row) if tokens]
        assert found == [tokens for _, tokens in ranked], f"row {row}"
        np.testing.assert_allclose(
            result.scores[row, : len(ranked)], [score for score, _ in ranked], rtol=1e-5, atol=1e-5
        )


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize(("num_beams", "min_length"), [(2, 0), (3, 2), (5, 0)])
def test_stopping_early_loses_nothing(
    models: ToyModels, alpha: float, num_beams: int, min_length: int
) -> None:
    limits = [5 + row % 4 for row in range(len(models))]
    for num_hypotheses in (1, num_beams):
        strategy = BeamSearch(num_beams, alpha, num_hypotheses, min_length)
        result = search(toy_decode_step, models.state(), strategy, 8, tf.constant(limits))
        for row, limit in enumerate(limits):
            expected = python_beam_search(models, row, num_beams, alpha, limit, min_length)
            expected = expected[:num_hypotheses]
            found = [tokens for tokens in hypotheses_of(result, row) if tokens]
            assert found == [tokens for _, tokens in expected], f"row {row}"
            np.testing.assert_allclose(
                result.scores[row, : len(expected)],
                [score for score, _ in expected],
                rtol=1e-5,
                atol=1e-5,
            )


@pytest.mark.parametrize("num_beams", [1, 2, 4, 9])  # 9 beams are more than the 7 tokens
@pytest.mark.parametrize("min_length", [0, 3])
def test_every_hypothesis_has_the_probability_and_the_score_that_it_claims(
    models: ToyModels, num_beams: int, min_length: int
) -> None:
    limits = [1 + row % 6 for row in range(len(models))]
    strategy = BeamSearch(num_beams, 0.6, num_hypotheses=num_beams, min_length=min_length)
    result = search(toy_decode_step, models.state(), strategy, 6, tf.constant(limits))
    check_result(models, result, limits, alpha=0.6, min_length=min_length)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_one_beam_is_greedy_search_whatever_the_penalty(models: ToyModels, alpha: float) -> None:
    limits = tf.constant([2 + row % 7 for row in range(len(models))])
    greedy = search(toy_decode_step, models.state(), GreedySearch(), 8, limits)
    beam = search(toy_decode_step, models.state(), BeamSearch(1, alpha), 8, limits)
    np.testing.assert_array_equal(beam.token_ids, greedy.token_ids)
    np.testing.assert_array_equal(beam.truncated, greedy.truncated)
    np.testing.assert_allclose(beam.log_probabilities, greedy.log_probabilities, rtol=1e-6)


def test_more_beams_than_sequences_leave_places_unused(models: ToyModels) -> None:
    result = search(toy_decode_step, models.state(), BeamSearch(11, 0.6, 11), max_length=2)
    # The end at once, or one of the 4 other tokens and then the end.
    assert all(sum(map(bool, hypotheses_of(result, row))) == 5 for row in range(len(models)))
    check_result(models, result, [2] * len(models), alpha=0.6)


def test_a_finished_hypothesis_keeps_its_score_while_others_go_on() -> None:
    # The end comes with 0.6 at every step, so all the n-best end at different steps.
    logits = [log_of({END: 0.6, 4: 0.4}, vocabulary_size=5)]
    result = search(fixed_step(logits), fixed_state(1), BeamSearch(3, 0.0, 3), max_length=9)
    assert hypotheses_of(result, 0) == [(END,), (4, END), (4, 4, END)]
    expected = np.log([0.6, 0.4 * 0.6, 0.4 * 0.4 * 0.6])
    np.testing.assert_allclose(result.log_probabilities[0], expected, rtol=1e-5)
    np.testing.assert_allclose(result.scores[0], expected, rtol=1e-5)


def test_a_positive_penalty_prefers_long_and_a_negative_one_short() -> None:
    # log P: -0.9 for the end at once; 4, 4, 4, 4, end has about -1.03 (0.593 * 1 * 1 * 1 * 0.6).
    steps = [{END: 0.407, 4: 0.593}, {4: 1.0}, {4: 1.0}, {4: 1.0}, {END: 0.6, 5: 0.4}]
    table = tf.constant([log_of(step, 6) for step in steps])

    def decode_step(token_ids: tf.Tensor, state: dict) -> tuple[tf.Tensor, dict]:
        logits = tf.repeat(table[tf.minimum(state["position"], 4)][None], len(token_ids), axis=0)
        return logits, {**state, "position": state["position"] + 1}

    def best(alpha: float) -> tuple[int, ...]:
        return hypotheses_of(search(decode_step, fixed_state(1), BeamSearch(4, alpha), 7), 0)[0]

    assert best(1.0) == best(0.6) == (4, 4, 4, 4, END)
    assert best(0.0) == best(-0.5) == (END,)


def test_a_hypothesis_is_followed_as_long_as_its_length_may_make_it_the_best() -> None:
    # After one token the end has the score -1. The other hypothesis has log P = -1.5, and -1.29 if
    # it ended now; only with the ten tokens of the limit is it better: -1.5 / (15 / 6) = -0.6.
    steps = [{END: 0.368, 4: 0.223, 2: 0.409}, *[{4: 1.0}] * 8, {END: 1.0}]  # 2 is never produced
    table = tf.constant([log_of(step, 6) for step in steps])

    def decode_step(token_ids: tf.Tensor, state: dict) -> tuple[tf.Tensor, dict]:
        logits = tf.repeat(table[state["position"]][None], len(token_ids), axis=0)
        return logits, {**state, "position": state["position"] + 1}

    result = search(decode_step, fixed_state(1), BeamSearch(2, 1.0), max_length=10)
    assert hypotheses_of(result, 0) == [(*[4] * 9, END)]
    np.testing.assert_allclose(result.scores[0], [np.log(0.223) / 2.5], rtol=1e-5)


def test_equal_continuations_are_taken_in_the_order_of_their_ids() -> None:
    result = search(fixed_step([[0.0] * 9]), fixed_state(1), BeamSearch(3, 0.0, 3), max_length=2)
    # All sequences of one length are equally probable: slot first, then token.
    assert hypotheses_of(result, 0) == [(END,), (1, END), (4, END)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_beams": 0}, "`num_beams` must be an integer of at least 1. Received: num_beams=0"),
        ({"num_beams": 2.5}, "`num_beams`"),
        ({"num_beams": True}, "`num_beams`"),
        ({"num_beams": 2, "num_hypotheses": 3}, "must not be greater than `num_beams`"),
        ({"min_length": -1}, "`min_length`"),
        ({"length_penalty": float("nan")}, "`length_penalty` must be a finite number"),
        ({"length_penalty": "0.6"}, "`length_penalty`"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BeamSearch(**arguments)
