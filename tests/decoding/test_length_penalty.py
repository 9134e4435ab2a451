"""The length penalty is the paper's formula."""

from __future__ import annotations

import math

import pytest
import tensorflow as tf

from keras_attn.decoding import length_penalty


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0, -0.5])
def test_the_penalty_is_equation_14_of_wu_et_al(alpha: float) -> None:
    lengths = [[1, 2, 7], [31, 250, 4]]
    found = length_penalty(tf.constant(lengths), alpha)
    assert found.dtype == tf.float32
    for row, values in zip(lengths, found.numpy(), strict=True):
        for length, value in zip(row, values, strict=True):
            # exp(alpha log((5 + |Y|) / (5 + 1))), the formula in another form
            expected = math.exp(alpha * (math.log(5 + length) - math.log(6)))
            assert value == pytest.approx(expected, rel=1e-5)


def test_a_sequence_of_one_token_is_not_penalized() -> None:
    assert length_penalty(tf.constant(1), 0.6).numpy() == 1.0
