"""LSTM and GRU give what Keras' layers give, forward and backward, and masks change nothing."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attn.layers import GatedRecurrentUnit, LongShortTermMemory
from tests.support.layer_checks import check_layer

B, T, D, UNITS = 3, 5, 4, 6
random = np.random.default_rng(9)
INPUTS = random.normal(size=(B, T, D)).astype("float32")
MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 1, 0, 1, 0]], bool)

TWINS = {
    "lstm": (LongShortTermMemory, keras.layers.LSTM),
    "gru": (GatedRecurrentUnit, keras.layers.GRU),
}


def make_twins(kind, reverse):
    """Our layer and that of Keras with the same weights, biases that are not zero among them."""
    ours_class, theirs_class = TWINS[kind]
    ours = ours_class(UNITS, reverse=reverse)
    theirs = theirs_class(UNITS, return_sequences=True, go_backwards=reverse)
    for layer in (ours, theirs):
        layer.build(INPUTS.shape)
    assert [w.shape for w in ours.weights] == [w.shape for w in theirs.weights]
    weights = [random.normal(size=w.shape) for w in theirs.weights]
    ours.set_weights(weights)
    theirs.set_weights(weights)
    return ours, theirs


@pytest.mark.parametrize("mask", [None, MASK], ids=["plain", "masked"])
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("kind", TWINS)
def test_it_gives_what_keras_gives(kind, reverse, mask) -> None:
    ours, theirs = make_twins(kind, reverse)
    expected = np.asarray(theirs(INPUTS, mask=mask))
    if reverse:
        expected = expected[:, ::-1]  # Keras gives the outputs in the order of reading
    outputs = ours(INPUTS, mask=mask)
    np.testing.assert_allclose(outputs, expected, atol=2e-6)
    last = expected[:, 0] if reverse else expected[:, -1]
    np.testing.assert_allclose(ours.last_output(outputs), last, atol=2e-6)


@pytest.mark.parametrize("kind", TWINS)
def test_it_starts_as_keras_layer_does(kind) -> None:
    ours, theirs = (layer_class(UNITS) for layer_class in TWINS[kind])
    for layer in (ours, theirs):
        layer.build(INPUTS.shape)
    np.testing.assert_array_equal(ours.bias, theirs.cell.bias)
    square = np.asarray(ours.recurrent_kernel)
    np.testing.assert_allclose(square @ square.T, np.eye(UNITS), atol=1e-5)
    limit = (6 / (D + ours.num_gates * UNITS)) ** 0.5
    assert 0.9 * limit < np.abs(ours.kernel).max() <= limit


@pytest.mark.parametrize("kind", TWINS)
def test_it_is_a_layer_as_keras_knows_it(kind) -> None:
    check_layer(lambda: TWINS[kind][0](UNITS, reverse=True), INPUTS)


def test_the_keras_mask_is_obeyed_and_passes_through() -> None:
    layer = GatedRecurrentUnit(UNITS, reverse=True)
    masked = keras.layers.Masking()(np.where(MASK[..., None], INPUTS, 0).astype("float32"))
    outputs = layer(masked)
    np.testing.assert_allclose(outputs, layer(INPUTS, mask=MASK), atol=1e-6)
    np.testing.assert_array_equal(outputs._keras_mask, MASK)


def test_a_gradient_keeps_no_weight_for_each_position() -> None:
    layer = LongShortTermMemory(UNITS)
    layer.build(INPUTS.shape)

    def gradient(inputs):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(inputs))
        return tape.gradient(loss, [weight.value for weight in layer.weights])

    graph = tf.function(gradient).get_concrete_function(tf.TensorSpec((B, T, D))).graph
    loops = [one for one in graph.get_operations() if "While" in one.type]
    kept = [
        tuple(operation.inputs[1].shape)
        for loop in loops
        for operation in graph._get_function(loop.get_attr("body").name).graph.get_operations()
        if operation.type == "TensorListPushBack"
    ]
    assert (B, UNITS) in kept and (UNITS, 4 * UNITS) not in kept
