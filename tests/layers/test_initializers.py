"""Kernels to and from heads start with the variance of the matrices that they stand for."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_attn.layers import MultiHeadAttention

D, H, K, VALUE_DIM = 96, 6, 20, 28


def built(**arguments) -> MultiHeadAttention:
    layer = MultiHeadAttention(H, K, value_dim=VALUE_DIM, **arguments)
    layer.build((None, None, D))
    return layer


def test_glorot_has_the_fans_of_the_matrix():
    layer = built()
    # Glorot and Bengio (2010), Eq. 16: uniform up to sqrt(6 / (fan in + fan out)).
    for dense, fans in (
        (layer.query_dense, D + H * K),
        (layer.key_dense, D + H * K),
        (layer.value_dense, D + H * VALUE_DIM),
        (layer.output_dense, H * VALUE_DIM + D),
    ):
        kernel, bound = dense.kernel.numpy(), (6 / fans) ** 0.5
        assert 0.99 * bound < np.abs(kernel).max() <= bound
        np.testing.assert_allclose(kernel.std(), bound / 3**0.5, rtol=0.03)


def test_he_has_the_fan_of_the_matrix():
    layer = built(kernel_initializer="he_normal")
    np.testing.assert_allclose(layer.query_dense.kernel.numpy().std(), (2 / D) ** 0.5, rtol=0.05)
    output = layer.output_dense.kernel.numpy()
    np.testing.assert_allclose(output.std(), (2 / (H * VALUE_DIM)) ** 0.5, rtol=0.05)


def test_projections_do_not_share_their_numbers():
    layer = built(kernel_initializer=keras.initializers.GlorotUniform())
    assert not np.allclose(layer.query_dense.kernel, layer.key_dense.kernel)


def test_other_initializers_see_the_kernel_as_it_is():
    given = np.random.default_rng(1).normal(size=(D, H, K)).astype("float32")

    def initializer(shape, dtype=None):
        return keras.ops.convert_to_tensor(
            given if shape == given.shape else np.zeros(shape, "float32")
        )

    layer = built(kernel_initializer=initializer)
    np.testing.assert_array_equal(layer.query_dense.kernel, given)


def test_the_layer_tells_the_initializer_that_it_was_given():
    config = built(kernel_initializer="he_normal").get_config()
    assert config["kernel_initializer"]["class_name"] == "HeNormal"


def test_axes_of_ones_own_are_kept():
    axes = {"input_axes": [0], "output_axes": [1]}
    for gain in (1.0, 2.0):
        initializer = keras.initializers.GlorotUniform(**axes)
        layer = built(kernel_initializer=initializer, projection_gain=gain)
        bound = gain * (6 / (D + H)) ** 0.5
        assert 0.99 * bound < np.abs(layer.query_dense.kernel).max() <= bound


def test_they_are_those_of_keras():
    layers = built(seed=1), keras.layers.MultiHeadAttention(H, K, value_dim=VALUE_DIM)
    layers[1].build((None, None, D), (None, None, D))
    for ours, theirs in zip(*(layer.get_weights() for layer in layers), strict=True):
        np.testing.assert_allclose(ours.std(), theirs.std(), rtol=0.03, atol=1e-9)


def test_the_gain_is_that_of_query_key_and_value_only():
    layers = [built(projection_gain=gain) for gain in (1.0, 0.5)]
    for name, ratio in (("query", 0.5), ("key", 0.5), ("value", 0.5), ("output", 1.0)):
        plain, scaled = (
            abs(getattr(layer, f"{name}_dense").kernel.numpy()).max() for layer in layers
        )
        assert scaled / plain == pytest.approx(ratio, rel=0.1), name
    assert layers[1].get_config()["projection_gain"] == 0.5


def test_a_gain_that_would_have_no_effect_is_refused():
    with pytest.raises(ValueError, match="`projection_gain` must be 1.0 with a `kernel_init"):
        built(kernel_initializer="zeros", projection_gain=0.5)
    with pytest.raises(ValueError, match="`projection_gain` must be greater than zero"):
        built(projection_gain=0.0)
