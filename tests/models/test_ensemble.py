"""An ensemble: its probabilities are the mean of its models', and all takes it as one model."""

import json
from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_attn
from keras_attn.data import ByteTokenizer
from keras_attn.decoding import BeamSearch
from keras_attn.models import ConvSeq2Seq, Ensemble, RNNSeq2Seq, Transformer
from keras_attn.serving import export_saved_model
from keras_attn.training import LabelSmoothedCrossEntropy
from tests.support.exhaustive_search import check_exhaustive_search

B, T, S, V, D = 3, 5, 7, 11, 8
SOURCE = np.array([[4, 5, 6, 7, 8, 9, 3], [10, 4, 3, 0, 0, 0, 0], [5, 6, 7, 3, 0, 0, 0]], "int32")
TARGET = np.array([[2, 4, 5, 6, 7], [2, 8, 9, 0, 0], [2, 10, 4, 5, 0]], "int32")
INPUTS = {"encoder_token_ids": SOURCE, "decoder_token_ids": TARGET}
KINDS = {
    "transformer": lambda v: Transformer(v, None, D, 16, 2, 1),
    "rnn": lambda v: RNNSeq2Seq(v, hidden_dim=D, num_layers=1),
    "conv": lambda v: ConvSeq2Seq(v, hidden_dim=D, num_layers=1, max_sequence_length=256),
}
SHARED = KINDS["rnn"](V)
MEMBERS = {  # which models predict together
    "two transformers": ("transformer", "transformer"),
    "one of each kind": ("transformer", "rnn", "conv"),
}


def make(members="one of each kind", vocabulary_size=V):
    """An ensemble whose every weight, biases and norms too, has a value of its own."""
    model = Ensemble([KINDS[kind](vocabulary_size) for kind in MEMBERS[members]])
    model.build()
    generator = np.random.default_rng(5)
    for weight in model.weights:
        mean = 1.0 if weight.name == "gamma" else 0.0
        weight.assign(mean + 0.5 * generator.normal(size=weight.shape))
    return model


@pytest.fixture(params=MEMBERS, name="model", scope="module")
def any_members(request):
    """An ensemble of each kind, for tests that leave its weights as they are."""
    return make(request.param)


def mean_log_probabilities(model, inputs):
    """The formula in float64, from the logits of each model."""
    probabilities = []
    for member in model.models:
        logits = np.asarray(member(inputs), "float64")
        exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
        probabilities.append(exponentials / exponentials.sum(axis=-1, keepdims=True))
    return np.log(np.mean(probabilities, axis=0))


# Numbers


def test_its_probabilities_are_the_mean_of_its_models(model):
    expected = mean_log_probabilities(model, INPUTS)
    np.testing.assert_allclose(model(INPUTS), expected, atol=1e-5)
    one = np.asarray(tf.nn.log_softmax(model.models[0](INPUTS)))
    assert np.abs(expected - one).max() > 0.3  # the models do not agree


def test_a_model_that_is_sure_does_not_make_the_others_count_for_nothing():
    # Half of the probability stays, however small the other model's is.
    class Sure(Transformer):
        def call(self, inputs, training=None):
            return super().call(inputs, training=training) * 0.0 + self.logits

    models = [Sure(V, None, D, 16, 2, 1) for _ in range(2)]
    models[0].logits = np.where(np.arange(V) == 4, 500.0, 0.0).astype("float32")
    models[1].logits = np.where(np.arange(V) == 5, 500.0, 0.0).astype("float32")
    probabilities = np.exp(np.asarray(Ensemble(models)(INPUTS)))
    np.testing.assert_allclose(probabilities[..., [4, 5]], 0.5, atol=1e-6)


@pytest.mark.parametrize("is_known", [True, False], ids=["known sizes", "unknown sizes"])
def test_a_hypothesis_keeps_its_own_past_when_it_changes_places(model, is_known):
    # Three hypotheses a sentence; after each step a place goes on from the hypothesis of another.
    num_beams, generator = 3, np.random.default_rng(5)

    def run(source, tokens, parents):
        state, found = model.start(source, max_length=T, num_beams=num_beams), []
        state["rows"] = tf.nest.map_structure(
            lambda x: tf.repeat(x, num_beams, axis=0), state["rows"]
        )
        for t in range(T):
            logits, state = model.decode_step(tokens[t], state)
            state["rows"] = tf.nest.map_structure(
                partial(tf.gather, indices=parents[t]), state["rows"]
            )
            found.append(logits)
        return tf.stack(found)

    rows = B * num_beams
    parents = generator.integers(0, num_beams, (T, B, num_beams))
    parents = (parents + num_beams * np.arange(B)[:, None]).reshape(T, rows)
    histories, fed = np.zeros((rows, 0), "int32"), []
    inputs = {"encoder_token_ids": np.repeat(SOURCE, num_beams, 0)}
    expected = []
    for t in range(T):
        new = generator.integers(4, V, (rows, 1)) if t else np.full((rows, 1), 2)
        histories = np.concatenate([histories, new.astype("int32")], axis=1)
        fed.append(new.astype("int32"))
        expected.append(mean_log_probabilities(model, {**inputs, "decoder_token_ids": histories}))
        histories = histories[parents[t]]
    arguments = (SOURCE, np.stack(fed), parents.astype("int32"))
    if not is_known:
        shapes = [(None, None), (None, None, 1), (None, None)]
        signature = [tf.TensorSpec(shape, tf.int32) for shape in shapes]
        run = tf.function(run, input_signature=signature, autograph=False)
    found = run(*arguments)
    np.testing.assert_allclose(found, [one[:, -1] for one in expected], atol=2e-5)


@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_beam_search_finds_what_exhaustive_search_finds(compiled):
    model = make(vocabulary_size=5)
    check_exhaustive_search(model, partial(mean_log_probabilities, model), compiled)


def test_its_attention_is_that_of_each_model(model):
    found = model.attention_scores(INPUTS)
    assert set(found) == {"cross"} and found["cross"].shape == (B, len(model.models), 1, T, S)
    for i, member in enumerate(model.models):
        expected = np.mean(member.attention_scores(INPUTS)["cross"], axis=(1, 2))
        np.testing.assert_allclose(found["cross"][:, i, 0], expected, atol=1e-6)


# Keras


def test_it_saves_and_loads_with_identical_outputs(model, tmp_path):
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(INPUTS), model(INPUTS))
    assert json.dumps(again.get_config()) == json.dumps(model.get_config())


def test_trained_models_are_saved_though_only_they_are_built_and_compiled(tmp_path):
    def loss_that_a_file_cannot_name(labels, logits):
        return keras.ops.mean(logits)

    members = [KINDS[kind](V) for kind in ("rnn", "conv")]
    for member in members:
        member.build()
        member.compile("adam", loss_that_a_file_cannot_name)
    model = Ensemble(members)
    assert model.built
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(INPUTS), model(INPUTS))


def test_it_is_built_and_counted_as_its_models():
    model = Ensemble([KINDS[kind](V) for kind in KINDS])
    model.build()
    assert model.count_params() == sum(member.count_params() for member in model.models)
    assert len({id(weight) for weight in model.weights}) == len(model.weights)
    assert (model.source_vocabulary_size, model.target_vocabulary_size) == (V, V)
    assert model.max_sequence_length == 256  # that of the convolutional model
    with pytest.raises(ValueError, match="`max_length` must be at most `max_sequence_length`"):
        model.start(SOURCE, max_length=257)


def test_it_works_inside_a_functional_model(model):
    symbols = {name: keras.Input((None,), dtype="int32", name=name) for name in INPUTS}
    functional = keras.Model(symbols, model(symbols))
    assert functional.outputs[0].shape == (None, None, V)
    np.testing.assert_allclose(functional(INPUTS), model(INPUTS), atol=1e-5)


def test_models_in_half_precision_are_averaged_in_float32():
    members = [Transformer(V, None, D, 16, 2, 1, dtype="mixed_bfloat16") for _ in range(2)]
    model = Ensemble(members)
    logits = model(INPUTS)
    symbols = {name: keras.Input((None,), dtype="int32", name=name) for name in INPUTS}
    assert logits.dtype == tf.float32 and model(symbols).dtype == "float32"
    np.testing.assert_allclose(logits, mean_log_probabilities(model, INPUTS), atol=1e-5)


def test_its_models_are_trained_together_by_plain_fit():
    model = make("two transformers")
    before = [np.asarray(member(INPUTS)) for member in model.models]
    optimizer = keras.optimizers.Adam(0.02)
    model.compile(optimizer, LabelSmoothedCrossEntropy(0.1), jit_compile=False)
    history = model.fit(INPUTS, TARGET, epochs=20, verbose=0).history["loss"]
    assert history[-1] < history[0] - 0.5
    for member, old in zip(model.models, before, strict=True):
        assert np.abs(member(INPUTS) - old).max() > 0.1


def test_an_ensemble_of_an_ensemble_is_a_model():
    model = Ensemble([make("two transformers"), KINDS["rnn"](V)])
    np.testing.assert_allclose(model(INPUTS), mean_log_probabilities(model, INPUTS), atol=1e-5)
    logits, _ = model.decode_step(TARGET[:, :1], model.start(SOURCE, max_length=T))
    np.testing.assert_allclose(logits, model(INPUTS)[:, 0], atol=1e-5)


# What is made of a model


@pytest.mark.slow
@pytest.mark.parametrize("num_beams", [1, 3])
def test_a_translator_is_saved_loaded_and_exported_with_the_same_translations(num_beams, tmp_path):
    tokenizer = ByteTokenizer()
    model = make(vocabulary_size=tokenizer.vocabulary_size)
    decoding = BeamSearch(num_beams=num_beams, min_length=3)
    translator = keras_attn.Translator(
        model, tokenizer, decoding=decoding, max_extra_tokens=4, max_source_tokens=30
    )
    lines = ["Good morning.", "", "Wo ist der Bahnhof?", "x", "far too long a line " * 9]
    expected = translator.translate(lines)
    assert len(set(expected)) == len(lines)  # nonsense, but of each line its own
    translator.save(tmp_path / "translator")
    assert keras_attn.Translator.load(tmp_path / "translator").translate(lines) == expected
    version = export_saved_model(translator, tmp_path / "models")
    signatures = tf.saved_model.load(str(version)).signatures
    texts = signatures["serving_default"](tf.constant(lines))["translation"].numpy()
    assert [text.decode("utf-8") for text in texts] == expected
    scores = signatures["score"](text=tf.constant(lines[:1]), target=tf.constant(["Guten Tag."]))
    (score,) = translator.score(lines[:1], ["Guten Tag."])
    np.testing.assert_allclose(scores["log_probability"], [score], rtol=1e-5)
    weights = signatures["attention"](tf.constant(lines[:1]))["attention"]
    (detailed,) = translator.translate_detailed(lines[:1], attention=True)
    np.testing.assert_allclose(weights[0], detailed.attention, atol=1e-5)


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ([], r"`models` must be two or more translation models. Received: none."),
        ([KINDS["rnn"](V)], "two or more translation models. Received: RNNSeq2Seq."),
        ([KINDS["rnn"](V), "other"], "translation models. Received: RNNSeq2Seq, str."),
        ([KINDS["rnn"](V)] * 2, "`models` must not share layers. Received: RNNSeq2Seq, RNN"),
        ([SHARED, Ensemble([SHARED, KINDS["conv"](V)])], "`models` must not share layers."),
        ([KINDS["rnn"](V), KINDS["rnn"](9)], "same source vocabulary. Received: 11, 9 tokens."),
        (
            [KINDS["rnn"](V), RNNSeq2Seq(V, 9, hidden_dim=D)],
            "same target vocabulary. Received: 11, 9 tokens.",
        ),
    ],
)
def test_models_that_do_not_fit_are_refused(models, message):
    with pytest.raises(ValueError, match=message):
        Ensemble(models)
