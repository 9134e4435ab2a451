"""TokenEmbedding: scaled look-up and tied logits."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attn.layers import TokenEmbedding

IDS = np.array([[3, 5, 0], [10, 0, 0]], "int32")


def test_it_looks_up_times_the_root_of_the_width_and_projects_back_by_the_same_matrix():
    layer = TokenEmbedding(vocabulary_size=11, hidden_dim=7)
    embedded = layer(IDS)
    matrix = np.asarray(layer.embeddings, "float64")
    np.testing.assert_allclose(embedded, matrix[IDS] * np.sqrt(7), rtol=1e-6)
    logits = layer(embedded, reverse=True)
    np.testing.assert_allclose(logits, np.asarray(embedded) @ matrix.T, atol=1e-5)
    assert len(layer.weights) == 1


def test_its_keras_mask_marks_real_tokens_and_reaches_attention():
    sequence = keras.Sequential(
        [
            TokenEmbedding(11, 8),
            keras_attention := keras.layers.LSTM(4),
        ]
    )
    short, long = np.array([[3, 5]]), np.array([[3, 5, 0, 0]])
    np.testing.assert_allclose(sequence(short), sequence(long), atol=1e-6)
    assert keras_attention.built


@pytest.mark.parametrize("bad", [11, -1, 5000])
def test_an_id_outside_the_vocabulary_is_refused(bad):
    layer = TokenEmbedding(vocabulary_size=11, hidden_dim=7)
    with pytest.raises(
        ValueError, match=r"Token ids must be integers in \[0, vocabulary_size=11\)"
    ):
        layer(np.array([[3, bad]]))


def test_an_id_beyond_the_vocabulary_is_refused_in_a_graph_too():
    layer = TokenEmbedding(vocabulary_size=11, hidden_dim=7)
    with pytest.raises(tf.errors.InvalidArgumentError, match="5000"):
        tf.function(layer)(tf.constant([[3, 5000]]))


def test_ids_with_fractions_are_refused():
    with pytest.raises(ValueError, match="must be integers in .* dtype=float32"):
        TokenEmbedding(vocabulary_size=11, hidden_dim=7)(np.array([[1.0, 2.5]], "float32"))


def test_large_ids_survive_half_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = keras.Sequential([keras.Input((3,), dtype="int32"), TokenEmbedding(3000, 4)])
    ids = np.array([[2999, 2998, 257]])
    expected = np.asarray(model.layers[0](tf.constant(ids)))
    np.testing.assert_array_equal(np.asarray(model(ids)), expected)
    assert np.abs(np.diff(expected.astype("float32"), axis=1)).max(-1).all()


def test_it_round_trips_and_keeps_float32_weights_in_half_precision():
    layer = TokenEmbedding(11, 7, scale=False, mask_zero=False, dtype="mixed_bfloat16")
    twin = TokenEmbedding.from_config(layer.get_config())
    assert twin.get_config() == layer.get_config()
    assert twin(IDS).dtype == tf.bfloat16 and twin.embeddings.dtype == "float32"
    assert twin.compute_output_shape((2, 3)) == (2, 3, 7)
