"""Masks: True = real token / may attend."""

import numpy as np

from keras_attn import ops


def test_padding_mask_marks_real_tokens():
    assert ops.padding_mask(np.array([[4, 0, 0], [5, 6, 0]])).numpy().tolist() == [
        [True, False, False],
        [True, True, False],
    ]


def test_causal_mask_allows_the_past_and_the_present_only():
    for start in (0, 2):
        mask = ops.causal_mask(3, 7, start_index=start).numpy()
        for t in range(3):
            for s in range(7):
                assert mask[t, s] == (s <= t + start)


def test_sliding_window_is_symmetric():
    mask = ops.sliding_window_mask(5, 7, window=3).numpy()
    assert all(mask[t, s] == (abs(t - s) < 3) for t in range(5) for s in range(7))


def test_combining_is_a_logical_and_and_none_allows_everything():
    assert ops.combine_masks(None, None) is None
    left, right = np.array([[1, 1, 0]]), np.array([[True], [False]])
    assert ops.combine_masks(left, None, right).numpy().tolist() == [
        [True, True, False],
        [False, False, False],
    ]
