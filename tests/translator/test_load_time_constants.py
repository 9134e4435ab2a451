"""Constants that are computed at loading are those that a search would compute itself."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from keras_attn import create_model
from keras_attn.translator.load_time_constants import load_time_constants

V = 29


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A model, and a SavedModel that gives the constants as they were computed at loading."""
    directory = tmp_path_factory.mktemp("saved")
    model = create_model("transformer_tiny", source_vocabulary_size=V, num_layers=1)
    module = tf.Module()
    module.constants = load_time_constants(model, num_beams=4)
    module.weights = module.constants.weights

    @tf.function(input_signature=[], autograph=False)
    def read():
        values = tf.nest.flatten(module.constants.read())
        return {f"value_{i:02d}": value for i, value in enumerate(values)}

    tf.saved_model.save(module, str(directory), signatures=read.get_concrete_function())
    return model, directory


def test_they_are_what_the_model_starts_with(saved):
    model, directory = saved
    signature = tf.saved_model.load(str(directory)).signatures["serving_default"]
    loaded = signature()  # the loaded object itself is gone
    expected = tf.nest.flatten(model.start(tf.constant([[4, 5, 3]] * 2), 7, 4)["constants"])
    assert len(loaded) == len(expected) > 8
    for name, value in zip(sorted(loaded), expected, strict=True):
        np.testing.assert_array_equal(loaded[name], value)


def test_they_are_in_no_checkpoint(saved):
    model, directory = saved
    names = [name for name, _ in tf.train.list_variables(str(directory / "variables/variables"))]
    assert len([name for name in names if name.startswith("weights/")]) == len(
        {id(one) for one in load_time_constants(model, 4).weights}
    )
    assert not [name for name in names if name.startswith("constants/")]


def test_one_small_function_computes_all_of_them(saved):
    # With one for each constant, TensorFlow optimized the whole of `start` that often at loading.
    _, directory = saved
    content = (directory / "saved_model.pb").read_bytes()
    library = saved_model_pb2.SavedModel.FromString(content).meta_graphs[0].graph_def.library
    initializers = [one for one in library.function if "_initializer" in one.signature.name]
    calls = [node for one in initializers for node in one.node_def if "Call" in node.op]
    assert len(initializers) > 8 and len(calls) == 1
    (compute,) = [
        one for one in library.function if one.signature.name == calls[0].attr["f"].func.name
    ]
    assert not [node for node in compute.node_def if node.op in ("Softmax", "Relu")]


def test_a_model_without_constants_has_none():
    class Plain:
        def start(self, token_ids, max_length, num_beams):
            return {"source": (), "rows": token_ids, "position": 0}

    assert load_time_constants(Plain(), num_beams=2) is None
