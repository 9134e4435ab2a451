"""Laying several attended axes out as one, and back."""

import numpy as np
import pytest

from keras_attn.ops.axes import merge_axes, restore_axes


@pytest.mark.parametrize("axes", [(1,), (2,), (1, 2), (2, 1), (3, 1)])
def test_restoring_undoes_merging(axes):
    tensor = np.arange(2 * 3 * 5 * 7 * 11).reshape(2, 3, 5, 7, 11)
    merged = merge_axes(tensor, axes)
    attended = np.prod([tensor.shape[axis] for axis in axes])
    assert merged.shape == (tensor.size // 11 // attended, attended, 11)
    np.testing.assert_array_equal(restore_axes(merged, axes, tensor.shape[:-1]), tensor)
