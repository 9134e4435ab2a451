"""What every layer must be able to do, checked in one place."""

import json

import keras
import numpy as np
import tensorflow as tf


def check_layer(make_layer, *inputs, tolerance=1e-6, **call_arguments):
    """Config round trip, symbolic = eager, graph, XLA, `.keras` file, one fit step, bfloat16."""
    layer = make_layer()
    expected = layer(*inputs, **call_arguments)
    _check_config(layer)
    _check_compiled(layer, inputs, call_arguments, expected, tolerance)
    _check_functional(make_layer, inputs, call_arguments)
    _check_half_precision(layer, inputs, call_arguments)
    return layer


def _check_config(layer):
    config = layer.get_config()
    twin = type(layer).from_config(json.loads(json.dumps(config)))
    assert json.dumps(twin.get_config()) == json.dumps(config)
    registered = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(registered) is type(layer)


def _check_compiled(layer, inputs, call_arguments, expected, tolerance):
    """The same outputs and gradients in a graph, and compiled by XLA."""

    def run(*inputs):
        with tf.GradientTape() as tape:
            outputs = layer(*inputs, **call_arguments)
            loss = tf.reduce_mean(tf.square(outputs))
        weights = layer.trainable_weights
        gradients = tape.gradient(loss, [variable.value for variable in weights])
        return outputs, [tf.convert_to_tensor(one) for one in gradients if one is not None]

    _, expected_gradients = run(*inputs)
    for jit_compile in (False, True):
        outputs, gradients = tf.function(run, jit_compile=jit_compile)(*inputs)
        np.testing.assert_allclose(outputs, expected, atol=tolerance, rtol=tolerance)
        for ours, theirs in zip(gradients, expected_gradients, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=tolerance, rtol=1e-5)


def _check_functional(make_layer, inputs, call_arguments):
    """The layer in a Functional model: shapes, config, one training step."""
    symbols = [
        keras.Input(x.shape[1:], dtype=keras.backend.standardize_dtype(x.dtype)) for x in inputs
    ]
    outputs = make_layer()(*symbols, **call_arguments)
    model = keras.Model(symbols, outputs)
    expected = model(list(inputs))
    assert len(outputs.shape) == len(expected.shape)
    for symbolic, real in zip(outputs.shape, expected.shape, strict=True):
        assert symbolic in (None, real)
    config = json.loads(model.to_json())
    assert config["class_name"] == "Functional"
    twin = keras.models.model_from_json(model.to_json())
    twin.set_weights(model.get_weights())
    np.testing.assert_allclose(twin(list(inputs)), expected, atol=1e-6)
    if not model.trainable_weights:
        return
    model.compile(optimizer="sgd", loss="mse", jit_compile=False)
    model.fit(list(inputs), np.zeros_like(expected), batch_size=len(inputs[0]), verbose=0)


def _check_half_precision(layer, inputs, call_arguments):
    config = {**layer.get_config(), "dtype": "mixed_bfloat16"}
    half = type(layer).from_config(config)
    outputs = half(*inputs, **call_arguments)
    assert keras.backend.standardize_dtype(outputs.dtype) == "bfloat16"
    assert all(variable.dtype == "float32" for variable in half.weights)
    assert np.isfinite(np.asarray(tf.cast(outputs, tf.float32))).all()
