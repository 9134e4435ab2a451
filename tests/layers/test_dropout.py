"""The hashed random numbers of dropout: fair, independent, reproducible; and Keras' semantics."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attn.layers.dropout import Dropout, random_bits


def reference_hash(values: np.ndarray) -> np.ndarray:
    """The hash in Python integers, as its author writes it in C."""
    x = values.astype("uint64")
    x ^= x >> np.uint64(16)
    x = x * np.uint64(0x7FEB352D) & np.uint64(0xFFFFFFFF)
    x ^= x >> np.uint64(15)
    x = x * np.uint64(0x846CA68B) & np.uint64(0xFFFFFFFF)
    return x ^ (x >> np.uint64(16))


def test_the_bits_are_the_hash_with_and_without_xla():
    seed = np.array([123456789, 4294967295], "uint32")
    places = np.arange(7 * 11, dtype="uint64")
    key = reference_hash(seed[:1])
    call = reference_hash((seed[1] + reference_hash(key + 1)) & np.uint64(0xFFFFFFFF))
    inner = reference_hash(places ^ key)
    expected = reference_hash((inner + call) & np.uint64(0xFFFFFFFF))
    for jit_compile in (False, True):
        function = tf.function(
            lambda: random_bits((7, 11), tf.constant(seed)), jit_compile=jit_compile
        )
        np.testing.assert_array_equal(function().numpy().ravel(), expected)


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.75])
def test_the_rate_and_the_mean_are_kept(rate):
    outputs = Dropout(rate, seed=5)(keras.ops.ones((500, 1000)), training=True).numpy()
    deviation = np.sqrt(rate * (1 - rate) / outputs.size)
    assert abs((outputs == 0).mean() - rate) < 5 * deviation
    np.testing.assert_allclose(np.unique(outputs), [0, 1 / (1 - rate)], rtol=1e-6)


def test_elements_rows_calls_and_layers_are_independent():
    layers = [Dropout(0.5, seed=seed) for seed in (1, 2)]
    inputs = keras.ops.ones((256, 512))
    masks = [layer(inputs, training=True).numpy() > 0 for layer in layers for _ in range(3)]
    signs = [np.where(mask, 1.0, -1.0) for mask in masks]
    bound = 5 / np.sqrt(signs[0].size)  # five standard deviations of a mean of random signs
    for i, one in enumerate(signs):
        for other in signs[i + 1 :]:
            assert abs((one * other).mean()) < bound
        for shift in (1, 2, 7, 64, 511, 512):
            flat = one.ravel()
            assert abs((flat[shift:] * flat[:-shift]).mean()) < 1.1 * bound
        # No row and no column has more than its share: chi-squared of their sums.
        for axis in (0, 1):
            sums = one.sum(axis=axis)
            length = one.shape[axis]
            chi_squared, freedom = (sums**2).sum() / length, sums.size
            assert abs(chi_squared - freedom) < 5 * np.sqrt(2 * freedom)


def test_neighboring_seeds_and_calls_do_not_share_their_numbers():
    """Not the same numbers at other places either, as where a seed only shifts the places."""
    size = 4096
    bits = {
        (seed, call): random_bits((size,), np.array([seed, call], "uint32")).numpy()
        for seed in (1, 2, 3, 2**20, 2**20 + 1)
        for call in range(4)
    }
    # Of 20 * 4,096 random numbers of 32 bits about 0.8 are expected twice.
    everything = np.concatenate(list(bits.values()))
    assert everything.size - np.unique(everything).size <= 6


def test_a_seed_gives_the_same_masks_again():
    inputs = keras.ops.ones((5, 7, 11))
    one, other = Dropout(0.4, seed=3), Dropout(0.4, seed=3)
    first, second = (one(inputs, training=True).numpy() for _ in range(2))
    assert (first != second).any()
    np.testing.assert_array_equal(other(inputs, training=True), first)
    np.testing.assert_array_equal(other(inputs, training=True), second)


def test_gradients_go_where_values_went():
    layer, inputs = Dropout(0.4, seed=3), tf.random.normal((5, 7))
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs, training=True)
    gradient = tape.gradient(outputs, inputs).numpy()
    np.testing.assert_allclose(gradient, np.where(outputs.numpy() != 0, 1 / 0.6, 0), rtol=1e-6)


def test_without_training_or_with_a_rate_of_zero_nothing_happens():
    inputs = tf.random.normal((3, 5))
    np.testing.assert_array_equal(Dropout(0.5)(inputs, training=False), inputs)
    np.testing.assert_array_equal(Dropout(0.0)(inputs, training=True), inputs)


def test_a_noise_shape_is_kerass_business():
    outputs = Dropout(0.5, noise_shape=(3, 1), seed=1)(keras.ops.ones((3, 50)), training=True)
    assert all(len(np.unique(row)) == 1 for row in outputs.numpy())


def test_sizes_unknown_to_the_graph_and_half_precision():
    layer = Dropout(0.5, seed=1, dtype="bfloat16")

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.bfloat16)])
    def function(inputs):
        return layer(inputs, training=True)

    outputs = function(tf.ones((30, 40), tf.bfloat16))
    assert outputs.dtype == tf.bfloat16
    assert 0.4 < float(tf.reduce_mean(tf.cast(outputs > 0, tf.float32))) < 0.6
