"""The classifier: its formula, padding, saving, and that it learns."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attn.models import TransformerClassifier

B, S, V, D, C = 4, 6, 23, 12, 5
SIZES = {"hidden_dim": D, "intermediate_dim": 17, "num_heads": 3, "num_layers": 2}
# The last row has no token at all.
TOKEN_IDS = np.array(
    [[4, 5, 6, 7, 8, 3], [9, 10, 3, 0, 0, 0], [11, 12, 13, 3, 0, 0], [0, 0, 0, 0, 0, 0]], "int32"
)
LENGTHS = [6, 3, 4, 0]


def make(**overrides):
    model = TransformerClassifier(**{"vocabulary_size": V, "num_classes": C, **SIZES, **overrides})
    model.build()
    random = np.random.default_rng(5)
    model.set_weights([w + 0.2 * random.normal(size=w.shape) for w in model.get_weights()])
    return model


@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_logits_are_a_dense_layer_of_the_pooled_encoder(pooling):
    model = make(pooling=pooling)
    sequence = np.asarray(model.encoder(TOKEN_IDS), "float64")
    kernel, bias = (np.asarray(w, "float64") for w in model.output_dense.weights)
    for row, length, logits in zip(sequence, LENGTHS, model(TOKEN_IDS), strict=True):
        pooled = row[0]
        if pooling == "mean":
            pooled = sum(row[:length], np.zeros(D)) / max(length, 1)
        np.testing.assert_allclose(logits, pooled @ kernel + bias, atol=1e-5)


@pytest.mark.parametrize("pooling", ["mean", "first"])
@pytest.mark.parametrize("attention", ["multi_head", "linear", "linformer"])
def test_padding_changes_nothing(attention, pooling):
    model = make(attention=attention, pooling=pooling, max_sequence_length=9)
    expected = np.asarray(model(TOKEN_IDS))
    wide = model(np.pad(TOKEN_IDS, ((0, 0), (0, 3))))
    np.testing.assert_allclose(wide[:3], expected[:3], atol=2e-5)
    for i in range(3):
        alone = model(TOKEN_IDS[i : i + 1, : LENGTHS[i]])
        np.testing.assert_allclose(alone[0], expected[i], atol=2e-5)
    assert np.abs(expected[1] - expected[2]).max() > 1e-2


@pytest.mark.parametrize("attention", ["multi_head", "linear"])
def test_rows_of_padding_have_finite_logits_and_gradients(attention):
    model = make(attention=attention, dropout=0.0)
    with tf.GradientTape() as tape:
        logits = model(TOKEN_IDS)
        loss = tf.reduce_sum(logits**2)
    assert np.isfinite(logits).all()
    for gradient in tape.gradient(loss, [w.value for w in model.trainable_weights]):
        assert np.isfinite(tf.convert_to_tensor(gradient)).all()


def test_the_order_of_tokens_counts():
    model = make()
    ids = np.array([[4, 5, 6], [6, 5, 4]])
    logits = model(ids)
    assert np.abs(logits[0] - logits[1]).max() > 1e-2


def test_dropout_acts_before_the_dense_layer_in_training_only():
    model = make(dropout=0.9, num_classes=200)
    np.testing.assert_array_equal(model(TOKEN_IDS), model(TOKEN_IDS, training=False))
    kept = model.dropout_layer(np.ones((50, D)), training=True)
    assert 0.8 < np.mean(np.asarray(kept) == 0) < 1.0
    assert np.abs(model(TOKEN_IDS, training=True) - model(TOKEN_IDS)).max() > 0.1


@pytest.mark.parametrize(
    "overrides",
    [{}, {"pooling": "first", "normalize_first": True, "attention": "linear"}],
)
def test_it_saves_and_loads_with_identical_outputs(overrides, tmp_path):
    model = make(**overrides)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(TOKEN_IDS), model(TOKEN_IDS))
    assert json.dumps(again.get_config()) == json.dumps(model.get_config())
    assert [w.path for w in again.weights] == [w.path for w in model.weights]


def test_a_copy_of_a_model_with_a_shared_embedding_has_one_of_its_own():
    first = make()
    second = make(embedding=first.encoder.embedding)
    assert second.encoder.embedding is first.encoder.embedding
    twin = TransformerClassifier.from_config(json.loads(json.dumps(second.get_config())))
    twin.build()
    assert [w.shape for w in twin.weights] == [w.shape for w in second.weights]


def test_it_exports_for_any_batch_without_xla(tmp_path):
    model = make()
    model.export(tmp_path, verbose=False)
    saved = tf.saved_model.load(str(tmp_path))
    for ids in (TOKEN_IDS, TOKEN_IDS[:2, :5]):
        np.testing.assert_allclose(saved.serve(tf.constant(ids)), model(ids), atol=1e-5)
    assert b"Xla" not in (tmp_path / "saved_model.pb").read_bytes()


def test_it_works_inside_a_functional_model_and_in_half_precision():
    token_ids, classifier = keras.Input((None,), dtype="int32"), make(dtype="mixed_bfloat16")
    model = keras.Model(token_ids, classifier(token_ids))
    assert model.outputs[0].shape == (None, C)
    assert all(w.dtype == "float32" for w in model.weights)
    full = make()
    full.set_weights(classifier.get_weights())
    logits, expected = tf.cast(model(TOKEN_IDS), "float32"), full(TOKEN_IDS)
    np.testing.assert_allclose(logits, expected, atol=0.1 * np.abs(expected).max())


@pytest.mark.slow
def test_it_learns_which_texts_have_a_word_before_another_by_fit_and_xla():
    """Both words are in every text: only their order tells the two classes apart."""
    random, count, length = np.random.default_rng(3), 64 * 40, 8
    ids = random.integers(6, 11, (count, length))
    lengths = random.integers(3, length + 1, count)
    for row, end in zip(ids, lengths, strict=True):
        row[random.choice(end, 2, replace=False)] = [4, 5]
        row[end:] = 0
    labels = (ids == 4).argmax(1) < (ids == 5).argmax(1)
    model = TransformerClassifier(
        11, 1, hidden_dim=32, intermediate_dim=64, num_heads=2, num_layers=1, dropout=0.0
    )
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(5e-3), loss, jit_compile=True)
    train = slice(0, count - 128)
    model.fit(ids[train], labels[train, None], batch_size=64, verbose=0)
    fresh = slice(count - 128, None)
    assert np.mean((model(ids[fresh])[:, 0] > 0) == labels[fresh]) > 0.9


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"pooling": "maen"}, "`pooling` must be one of .* Did you mean 'mean'"),
        ({"num_classes": 0}, "`num_classes` must be an integer of at least 1"),
    ],
)
def test_arguments_out_of_range_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)


def test_ids_that_are_no_integers_are_refused():
    with pytest.raises(ValueError, match="must be integers of shape"):
        make()(TOKEN_IDS.astype("float32"))
