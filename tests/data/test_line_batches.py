"""Batches of lines to translate."""

import numpy as np
import pytest

from keras_attn.data import line_batches, pad_rows


@pytest.mark.parametrize("batch_tokens", [1, 100, 2048])
def test_every_line_with_tokens_is_in_one_batch_that_holds_it(batch_tokens):
    lengths = np.random.default_rng(2).integers(0, 200, 333).tolist()
    batches = list(line_batches(lengths, batch_tokens))
    members = [line for lines, _ in batches for line in lines]
    assert sorted(members) == [line for line, length in enumerate(lengths) if length]
    for lines, (rows, length) in batches:
        assert 1 <= len(lines) <= rows
        assert rows == 1 or rows * length <= batch_tokens
        assert length // 2 < max(lengths[line] for line in lines) <= length or length == 16


def test_any_input_meets_the_same_few_shapes():
    generator = np.random.default_rng(3)
    shapes = {
        shape
        for _ in range(20)
        for _, shape in line_batches(generator.integers(1, 129, 50).tolist(), 2048)
    }
    lengths, row_counts = (16, 32, 64, 128), (1, 4, 16, 32)
    most_rows = {length: 2048 // length for length in lengths}
    assert shapes <= {(min(rows, most_rows[n]), n) for rows in row_counts for n in lengths}


def test_one_line_is_a_batch_of_one_row_and_many_fill_batches_of_the_same_size():
    assert [shape for _, shape in line_batches([9], 2048)] == [(1, 16)]
    batches = [(len(lines), shape) for lines, shape in line_batches([9] * 70, 2048)]
    assert batches == [(32, (32, 16)), (32, (32, 16)), (6, (32, 16))]


def test_no_batch_is_longer_than_the_model_has_positions():
    shapes = [shape for _, shape in line_batches([3, 17, 20], 2048, longest=20)]
    assert shapes == [(1, 16), (4, 20)]


def test_rows_are_filled_with_padding():
    assert pad_rows([[5], [7, 8]], 3, 4).tolist() == [[5, 0, 0, 0], [7, 8, 0, 0], [0] * 4]
