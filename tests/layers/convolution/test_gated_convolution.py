"""Gated convolutions, against their formula in NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attn.layers import GatedConvolution, TokenEmbedding
from tests.support.layer_checks import check_layer

B, T, D, F = 3, 7, 5, 4
X = np.random.default_rng(1).normal(size=(B, T, D)).astype("float32")
LENGTHS = [7, 4, 1]
MASK = np.arange(T) < np.array(LENGTHS)[:, None]
# padding, kernel_size -> how many positions a window reaches to the left
WINDOWS = {("same", 3): 1, ("same", 4): 1, ("same", 1): 0, ("causal", 3): 2, ("causal", 4): 3}


def make(padding, kernel_size, **options):
    layer = GatedConvolution(F, kernel_size, padding=padding, **options)
    layer.build(X.shape)
    generator = np.random.default_rng(2)
    layer.set_weights([generator.normal(size=w.shape) for w in layer.get_weights()])
    return layer


def convolve(x, kernel, bias, left):
    """One sentence, (T, D), position by position, input by input."""
    outputs = []
    for t in range(len(x)):
        total = bias.copy()
        for place, matrix in enumerate(kernel):
            if 0 <= t - left + place < len(x):
                total += x[t - left + place] @ matrix
        a, b = total[:F], total[F:]
        outputs.append(a / (1 + np.exp(-b)))
    return np.stack(outputs)


@pytest.mark.parametrize(("padding", "kernel_size"), WINDOWS)
def test_it_is_the_formula_and_padding_counts_as_nothing(padding, kernel_size):
    layer = make(padding, kernel_size)
    weights = [np.asarray(w, "float64") for w in layer.get_weights()]
    left = WINDOWS[padding, kernel_size]
    whole, masked = layer(X), layer(X, mask=MASK)
    for i, length in enumerate(LENGTHS):
        np.testing.assert_allclose(whole[i], convolve(X[i], *weights, left), atol=2e-5)
        expected = convolve(X[i, :length], *weights, left)
        np.testing.assert_allclose(masked[i, :length], expected, atol=2e-5)
        np.testing.assert_allclose(layer(X[i : i + 1, :length])[0], expected, atol=2e-5)


@pytest.mark.parametrize("kernel_size", [1, 2, 4])
@pytest.mark.parametrize("parts", [[1] * T, [2, 1, 4]])
def test_a_causal_layer_goes_on_from_its_state(kernel_size, parts):
    layer = make("causal", kernel_size)
    expected, state, start = layer(X), layer.empty_state(B), 0
    for length in parts:
        outputs, state = layer(X[:, start : start + length], state=state)
        assert state.shape == (B, kernel_size - 1, D)
        np.testing.assert_allclose(outputs, expected[:, start : start + length], atol=1e-5)
        start += length


def test_a_causal_layer_sees_nothing_that_comes_later():
    layer, changed = make("causal", 3), X.copy()
    changed[:, 4:] += 1.0
    before, after = layer(X), layer(changed)
    np.testing.assert_array_equal(after[:, :4], before[:, :4])
    assert np.abs(after[:, 4:] - before[:, 4:]).min(-1).max() > 1e-3


def test_any_number_of_rows_and_positions_gives_the_same():
    for padding in ("same", "causal"):
        layer = make(padding, 3)
        run = tf.function(layer, input_signature=[tf.TensorSpec((None, None, D))])
        for x in (X, X[:2, :1], X[:, :2]):
            np.testing.assert_allclose(run(x), layer(x), atol=1e-5)


def test_the_mask_of_an_embedding_is_honored_and_passed_on():
    ids = np.array([[4, 5, 3, 0, 0], [6, 7, 8, 9, 3]], "int32")
    embedding, layer = TokenEmbedding(11, D), make("same", 3)
    outputs = layer(embedding(ids))
    np.testing.assert_allclose(outputs[:1, :3], layer(embedding(ids[:1, :3])), atol=1e-6)
    np.testing.assert_array_equal(outputs._keras_mask, ids != 0)


def test_the_mask_of_an_embedding_is_honored_step_by_step():
    ids = np.array([[4, 0, 3, 0, 5], [6, 7, 8, 9, 3]], "int32")
    embedding, layer = TokenEmbedding(11, D), make("causal", 3)
    expected = layer(embedding(ids))
    outputs, _ = layer(embedding(ids), state=layer.empty_state(2))
    np.testing.assert_allclose(outputs, expected, atol=1e-6)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_batch_may_have_no_rows(jit_compile):
    layer = make("same", 3)
    signature = [tf.TensorSpec((None, None, D))]
    run = tf.function(layer, input_signature=signature, jit_compile=jit_compile)
    assert run(X[:0]).shape == layer(X[:0]).shape == (0, X.shape[1], F)


@pytest.mark.parametrize("padding", ["same", "causal"])
def test_it_is_a_good_keras_layer(padding):
    check_layer(lambda: GatedConvolution(F, 3, padding=padding), X, tolerance=1e-5)


def test_it_keeps_the_variance_of_its_inputs_at_first():
    layer = GatedConvolution(64, 3)
    x = np.random.default_rng(3).normal(size=(8, 40, 64)).astype("float32")
    assert 0.7 < np.var(layer(x)) < 1.8  # Section 3.5


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="`padding` must be 'same' or 'causal'. Received: 'valid'"):
        GatedConvolution(F, padding="valid")
    with pytest.raises(ValueError, match="`kernel_size` must be an integer of at least 1"):
        GatedConvolution(F, kernel_size=0)
    with pytest.raises(ValueError, match="`state` may only be given with `padding='causal'`"):
        make("same", 3)(X, state=keras.ops.zeros((B, 2, D)))
