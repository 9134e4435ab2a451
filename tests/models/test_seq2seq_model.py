"""What a Keras user does with any model, done with one of ours: compile, fit, export, save."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attn.models import (
    ConvSeq2Seq,
    RNNSeq2Seq,
    Transformer,
    TransformerClassifier,
    TransformerLM,
    create_model,
)
from keras_attn.models.one_stack_model import OneStackModel
from keras_attn.training import LabelSmoothedCrossEntropy, Perplexity, TokenAccuracy, TrainingStep

B, T, S, V = 4, 5, 7, 23
SIZES = {
    "source_vocabulary_size": V,
    "hidden_dim": 12,
    "intermediate_dim": 17,
    "num_heads": 3,
    "num_layers": 1,
}
random = np.random.default_rng(3)
INPUTS = {
    "encoder_token_ids": random.integers(4, V, (B, S)).astype("int32"),
    "decoder_token_ids": random.integers(4, V, (B, T)).astype("int32"),
}
LABELS = random.integers(4, V, (B, T)).astype("int32")
ONE_HOT = np.eye(V, dtype="float32")[LABELS]


class LossOfInputs(Transformer):
    """Its loss reads what went in, and no labels."""

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        num_tokens = keras.ops.cast(keras.ops.shape(x["encoder_token_ids"])[1], "float32")
        return keras.ops.mean(keras.ops.square(y_pred)) / num_tokens


class TwoOutputs(Transformer):
    """Gives the logits and their mean."""

    def call(self, inputs, training=None):
        logits = super().call(inputs, training=training)
        return {"logits": logits, "mean": keras.ops.mean(logits, axis=-1)}


class ParticularLoss(keras.losses.Loss):
    """Takes batches of one shape."""

    def call(self, y_true, y_pred):
        assert y_true.shape[1:] == (T,) and y_pred.shape[1:] == (T, V)
        return keras.ops.mean(keras.ops.square(y_pred), axis=-1)


# What Keras trains a model with -> the class, the labels, the arguments of `compile`.
# Keras compiles by XLA unless it is told not to; two are enough.
PLAIN = {"jit_compile": False}
WAYS = {
    "without metrics": (Transformer, LABELS, {"loss": LabelSmoothedCrossEntropy(), **PLAIN}),
    "one-hot labels": (
        Transformer,
        ONE_HOT,
        {
            "loss": keras.losses.CategoricalCrossentropy(from_logits=True),
            "metrics": ["categorical_accuracy"],
            **PLAIN,
        },
    ),
    "sparse labels": (
        Transformer,
        LABELS,
        {
            "loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            "metrics": ["sparse_categorical_accuracy"],
            "weighted_metrics": [Perplexity(), TokenAccuracy()],
        },
    ),
    "a loss of the inputs": (LossOfInputs, None, PLAIN),
    "two outputs": (
        TwoOutputs,
        {"logits": LABELS, "mean": np.zeros((B, T), "float32")},
        {"loss": {"logits": LabelSmoothedCrossEntropy(), "mean": "mse"}, **PLAIN},
    ),
    "a loss of one shape": (Transformer, LABELS, {"loss": ParticularLoss(), **PLAIN}),
    "several steps an execution": (
        Transformer,
        LABELS,
        {
            "loss": LabelSmoothedCrossEntropy(),
            "weighted_metrics": [Perplexity()],
            "steps_per_execution": 2,
        },
    ),
}


def make(model_class=Transformer):
    model = model_class(**SIZES)
    model.build()
    return model


@pytest.mark.parametrize("way", WAYS)
def test_it_is_compiled_and_trained_in_every_way_that_keras_knows(way):
    model_class, labels, options = WAYS[way]
    model = make(model_class)
    model.compile("sgd", **options)
    history = model.fit(INPUTS, labels, batch_size=2, verbose=0).history
    assert all(np.isfinite(values).all() for values in history.values())
    assert int(model.optimizer.iterations) == B // 2


@pytest.mark.parametrize("options", [{}, {"metrics": ["sparse_categorical_accuracy"]}])
def test_it_is_compiled_without_a_loss(options):
    model = make()
    model.compile("adam", **options)
    np.testing.assert_allclose(model.predict(INPUTS, verbose=0), model(INPUTS), atol=3e-6)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"jit_compile": True, "steps_per_execution": 2}])
def test_a_step_of_parts_needs_nothing_built_before_the_first_batch(options):
    model = Transformer(**SIZES)
    model.compile("sgd", LabelSmoothedCrossEntropy(), weighted_metrics=[Perplexity()], **options)
    model.training_step = TrainingStep(model, num_parts=2)
    logs = model.fit(INPUTS, LABELS, batch_size=2, verbose=0).history
    assert 1.0 < logs["perplexity"][0] < V**2 and int(model.optimizer.iterations) == B // 2


def test_building_for_training_counts_nothing():
    model = make()
    model.compile("adam", LabelSmoothedCrossEntropy(), weighted_metrics=[Perplexity()])
    before = [w.copy() for w in model.get_weights()]
    model.build_for_training((INPUTS, LABELS, np.ones((B, T), "float32")))
    assert len(model.metrics_variables) == 4 and not any(map(float, model.metrics_variables))
    assert len(model.optimizer.variables) == 2 + 2 * len(before)
    for left, right in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(left, right)


# SavedModels of the bare model, the Keras way


@pytest.mark.parametrize("is_called", [False, True], ids=["freshly made", "called before"])
@pytest.mark.parametrize("save", ["export", "tf.saved_model.save"])
def test_a_saved_model_takes_ids_by_name_of_any_size(save, is_called, tmp_path):
    model = make()
    if is_called:
        model({name: ids[:1, :3] for name, ids in INPUTS.items()})
    if save == "export":
        model.export(tmp_path, verbose=False)
    else:
        tf.saved_model.save(model, tmp_path)
    serve = tf.saved_model.load(tmp_path).signatures["serving_default"]
    _, inputs = serve.structured_input_signature
    assert {name: (spec.shape.as_list(), spec.dtype) for name, spec in inputs.items()} == {
        "encoder_token_ids": ([None, None], tf.int32),
        "decoder_token_ids": ([None, None], tf.int32),
    }
    (logits,) = serve(**{name: tf.constant(ids) for name, ids in INPUTS.items()}).values()
    np.testing.assert_allclose(logits, model(INPUTS), atol=3e-6)


def test_an_exported_model_has_the_signature_that_was_asked_for(tmp_path):
    signature = [{name: tf.TensorSpec((2, None), tf.int32, name) for name in INPUTS}]
    make().export(tmp_path, verbose=False, input_signature=signature)
    serve = tf.saved_model.load(tmp_path).signatures["serving_default"]
    assert {spec.shape[0] for spec in serve.structured_input_signature[1].values()} == {2}


# Without a call before


@pytest.mark.parametrize("model_class", [Transformer, RNNSeq2Seq, ConvSeq2Seq, TransformerLM])
@pytest.mark.parametrize("method", ["start", "attention_scores"])
def test_a_new_model_may_first_be_asked_for_anything(model_class, method):
    known = ("hidden_dim", "num_layers", "source_vocabulary_size")
    sizes = SIZES if model_class is Transformer else {name: SIZES[name] for name in known}
    inputs, source = INPUTS, INPUTS["encoder_token_ids"]
    if model_class is TransformerLM:
        sizes = {name: size for name, size in SIZES.items() if name != known[-1]}
        sizes["vocabulary_size"], inputs = V, source
    model, called = model_class(**sizes), model_class(**sizes)
    if method == "start":
        state = model.start(source, max_length=T)
        assert model.decode_step(np.full((B, 1), 2), state)[0].shape == (B, V)
    else:
        model.attention_scores(inputs)
    expected = called(inputs)
    assert [w.path.split("/")[1:] for w in model.weights] == [
        w.path.split("/")[1:] for w in called.weights
    ]
    model.set_weights(called.get_weights())
    np.testing.assert_allclose(model(inputs), expected, atol=1e-6)


MODELS = [Transformer, RNNSeq2Seq, ConvSeq2Seq, TransformerLM, TransformerClassifier]


@pytest.mark.parametrize("model_class", MODELS)
def test_a_second_build_changes_nothing(model_class):
    inputs = INPUTS
    if issubclass(model_class, OneStackModel):
        inputs = INPUTS["encoder_token_ids"]
    model = model_class(V, hidden_dim=16, num_layers=1)
    model.build()
    before = model.get_weights()
    model.build(keras.tree.map_structure(lambda ids: ids.shape, inputs))
    for left, right in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(left, right)
    again = model_class(V, hidden_dim=16, num_layers=1)  # and a call builds it once too
    again(inputs)
    again.build()
    assert len(again.weights) == len(before)


# Names


def test_two_models_of_a_preset_have_names_of_their_own():
    sizes = {**SIZES, "hidden_dim": 8, "num_heads": 2}
    models = [create_model("transformer_tiny", **sizes) for _ in range(2)]
    symbols = {name: keras.Input((None,), dtype="int32", name=name) for name in INPUTS}
    ensemble = keras.Model(symbols, keras.layers.Average()([model(symbols) for model in models]))
    expected = np.mean([model(INPUTS) for model in models], axis=0)
    np.testing.assert_allclose(ensemble(INPUTS), expected, atol=1e-6)


def test_a_model_is_given_the_name_that_was_asked_for():
    model = create_model("transformer_tiny", name="student", **SIZES)
    assert model.name == "student"
    assert Transformer.from_config(model.get_config()).name == "student"
    with pytest.raises(ValueError, match="`preset` must be one of .* preset='student'"):
        create_model("student")
