"""Writing into caches of fixed length."""

import numpy as np
import pytest

from keras_attn import ops


@pytest.mark.parametrize("length", [1, 3])
@pytest.mark.parametrize("index", [0, 2, 4])
def test_writing_replaces_exactly_the_addressed_positions(length, index):
    generator = np.random.default_rng(0)
    cache = generator.normal(size=(2, 3, 7, 5)).astype("float32")
    update = generator.normal(size=(2, 3, length, 5)).astype("float32")
    expected = cache.copy()
    expected[:, :, index : index + length] = update
    np.testing.assert_array_equal(ops.write_cache(cache, update, index), expected)
