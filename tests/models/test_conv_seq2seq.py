"""The convolutional model: its numbers, its steps, and that everything else takes it unchanged."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

import keras_attn
from keras_attn.data import ByteTokenizer
from keras_attn.decoding import BeamSearch, GreedySearch, search
from keras_attn.models import ConvSeq2Seq, create_model
from keras_attn.serving import export_saved_model
from keras_attn.training import LabelSmoothedCrossEntropy
from tests.models.conv_reference import logits_of, weights_of
from tests.support.exhaustive_search import check_exhaustive_search

B, T, S, V, D = 3, 5, 7, 23, 6
SOURCE = np.array(
    [[4, 5, 6, 7, 8, 9, 3], [10, 11, 3, 0, 0, 0, 0], [12, 13, 14, 15, 3, 0, 0]], "int32"
)
TARGET = np.array([[2, 4, 5, 6, 7], [2, 8, 9, 0, 0], [2, 10, 11, 12, 0]], "int32")
INPUTS = {"encoder_token_ids": SOURCE, "decoder_token_ids": TARGET}
REAL = TARGET != 0
LAYERS = {"num_layers": 2, "num_decoder_layers": 3}
SIZES = {"hidden_dim": D, "max_sequence_length": 16, **LAYERS}
VARIANTS = {
    "as the paper": {},
    "two vocabularies": {
        "target_vocabulary_size": 19,
        "tie_output": False,
        "position": "sinusoidal",
        "kernel_size": 4,
    },
}


def make(variant="as the paper", **overrides):
    """A model whose every weight, biases and norms too, has a value of its own."""
    model = ConvSeq2Seq(**{"source_vocabulary_size": V, **SIZES, **VARIANTS[variant], **overrides})
    model.build()
    generator = np.random.default_rng(5)
    for weight in model.weights:
        mean = 1.0 if weight.name == "gamma" else 0.0
        weight.assign(mean + 0.4 * generator.normal(size=weight.shape))
    return model


@pytest.fixture(params=VARIANTS, name="model", scope="module")
def any_variant(request):
    """A model of each kind, for tests that leave its weights as they are."""
    return make(request.param)


def expected_logits(model, weights, row):
    source, target = (ids[row][ids[row] != 0] for ids in (SOURCE, TARGET))
    is_tied = model.get_config()["tie_output"]
    return logits_of(weights, source, target, **LAYERS, is_tied=is_tied)


# Numbers


def test_it_is_the_formulas_of_the_paper(model):
    logits, scores = model(INPUTS), model.attention_scores(INPUTS)
    assert set(scores) == {"cross"} and scores["cross"].shape == (B, 3, 1, T, S)
    for row in range(B):
        expected, weights = expected_logits(model, weights_of(model), row)
        length, source_length = weights.shape[1:]
        np.testing.assert_allclose(logits[row, :length], expected, atol=2e-5, rtol=1e-4)
        found = np.asarray(scores["cross"])[row, :, 0, :length]
        np.testing.assert_allclose(found[..., :source_length], weights, atol=1e-5)
        assert np.all(found[..., source_length:] == 0)


def test_gradients_are_the_slopes_of_the_formulas(model):
    def loss(weights):
        return sum(np.sum(expected_logits(model, weights, row)[0] ** 2) for row in range(B))

    with tf.GradientTape() as tape:
        total = tf.reduce_sum(tf.boolean_mask(model(INPUTS), REAL) ** 2)
    gradients = tape.gradient(total, [w.value for w in model.trainable_weights])
    generator, weights = np.random.default_rng(4), weights_of(model)
    for weight, gradient in zip(model.trainable_weights, gradients, strict=True):
        gradient = tf.convert_to_tensor(gradient).numpy()
        values = weights[weight.path.split("/", 1)[1]]
        largest = np.unravel_index(np.abs(gradient).argmax(), gradient.shape)
        for index in (largest, tuple(generator.integers(0, values.shape))):
            before, step = values[index], 1e-5
            values[index] = before + step
            above = loss(weights)
            values[index] = before - step
            slope = (above - loss(weights)) / (2 * step)
            values[index] = before
            tolerance = 1e-4 * np.abs(gradient).max()
            np.testing.assert_allclose(gradient[index], slope, rtol=1e-3, atol=tolerance)


def test_no_future_token_changes_an_earlier_logit(model):
    before = np.asarray(model(INPUTS))
    for t in range(1, T):
        changed = TARGET.copy()
        changed[:, t:] = 16
        after = model({**INPUTS, "decoder_token_ids": changed})
        np.testing.assert_allclose(after[:, :t], before[:, :t], atol=1e-6)
        assert np.abs(after[:, t] - before[:, t]).max() > 1e-3


def test_padding_changes_nothing_and_may_be_all_there_is(model):
    expected = model(INPUTS)
    wide = {
        "encoder_token_ids": np.pad(SOURCE, ((0, 1), (0, 4))),  # and a row of nothing else
        "decoder_token_ids": np.pad(TARGET, ((0, 1), (0, 2))),
    }
    logits = np.asarray(model(wide))
    np.testing.assert_allclose(logits[:B, :T][REAL], np.asarray(expected)[REAL], atol=1e-5)
    assert np.isfinite(logits).all()
    state = model.start(wide["encoder_token_ids"], max_length=T)
    logits, _ = model.decode_step(np.full((B + 1, 1), 2), state)
    assert np.isfinite(np.asarray(logits)).all()


# Steps


def test_steps_equal_the_full_pass_and_remember_little(model):
    expected = model(INPUTS)
    state = model.start(SOURCE, max_length=T)
    kernel_size = model.get_config()["kernel_size"]
    assert {x.shape for x in state["rows"]} == {(B, kernel_size - 1, D)}
    for t in range(T):
        logits, state = model.decode_step(TARGET[:, t : t + 1], state)
        np.testing.assert_allclose(logits, expected[:, t], atol=1e-5)
    assert int(state["position"]) == T


@pytest.mark.parametrize("is_known", [True, False], ids=["known sizes", "unknown sizes"])
def test_a_hypothesis_keeps_its_own_past_when_it_changes_places(model, is_known):
    # Three hypotheses a sentence; after each step a place goes on from the hypothesis of another.
    num_beams, generator = 3, np.random.default_rng(5)
    state = model.start(SOURCE, max_length=T, num_beams=num_beams)
    state["rows"] = tf.nest.map_structure(lambda x: tf.repeat(x, num_beams, axis=0), state["rows"])
    step, rows = model.decode_step, B * num_beams
    if not is_known:
        any_size = tf.nest.map_structure(
            lambda x: tf.TensorSpec([None, *x.shape[1:]] if x.shape.rank else [], x.dtype), state
        )
        signature = [tf.TensorSpec((None, 1), tf.int32), any_size]
        step = tf.function(step, input_signature=signature, autograph=False)
    source = np.repeat(SOURCE, num_beams, 0)
    prefixes = np.full((rows, 1), 2, "int32")
    for t in range(T - 1):
        logits, state = step(prefixes[:, t:], state)
        targets = np.pad(prefixes, ((0, 0), (0, T - 1 - t)))
        inputs = {"encoder_token_ids": source, "decoder_token_ids": targets}
        np.testing.assert_allclose(logits, model(inputs)[:, t], atol=1e-5)
        parents = generator.integers(0, num_beams, (B, num_beams))
        parents = (parents + num_beams * np.arange(B)[:, None]).ravel()
        state["rows"] = [tf.gather(x, parents) for x in state["rows"]]
        new = generator.integers(4, 16, (rows, 1)).astype("int32")
        prefixes = np.concatenate([prefixes[parents], new], axis=1)


@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_beam_search_finds_what_exhaustive_search_finds(compiled):
    model = make(source_vocabulary_size=5)

    def log_probabilities(inputs):
        return tf.nn.log_softmax(model(inputs)).numpy()

    check_exhaustive_search(model, log_probabilities, compiled)


# Keras


def test_it_saves_and_loads_with_identical_outputs(model, tmp_path):
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(INPUTS), model(INPUTS))
    assert json.dumps(again.get_config()) == json.dumps(model.get_config())
    assert [w.path for w in again.weights] == [w.path for w in model.weights]


def test_compiled_and_plain_graphs_agree_for_any_size(model):
    signature = [{name: tf.TensorSpec((None, None), tf.int32) for name in INPUTS}]
    plain = tf.function(lambda inputs: model(inputs), input_signature=signature)
    compiled = tf.function(lambda inputs: model(inputs), jit_compile=True)
    first = {"encoder_token_ids": SOURCE[:1, :2], "decoder_token_ids": TARGET[:1, :1]}
    # XLA has a program for each size.
    for run, inputs in ((plain, INPUTS), (plain, first), (compiled, INPUTS)):
        np.testing.assert_allclose(run(inputs), model(inputs), atol=1e-5, rtol=1e-5)


def test_it_works_inside_a_functional_model(model):
    symbols = {name: keras.Input((None,), dtype="int32", name=name) for name in INPUTS}
    functional = keras.Model(symbols, model(symbols))
    assert functional.outputs[0].shape == (None, None, model.target_vocabulary_size)
    np.testing.assert_allclose(functional(INPUTS), model(INPUTS), atol=1e-5)


def test_half_precision_keeps_float32_weights_and_stays_close():
    half, full = make(dtype="mixed_bfloat16"), make()
    full.set_weights(half.get_weights())
    logits = half(INPUTS)
    assert logits.dtype == tf.bfloat16 and all(w.dtype == "float32" for w in half.weights)
    error = np.abs(tf.cast(logits, tf.float32) - full(INPUTS))
    assert error.mean() < 0.03 * np.std(full(INPUTS))
    state = half.start(SOURCE, max_length=T)
    for t in range(2):
        step_logits, state = half.decode_step(TARGET[:, t : t + 1], state)
        close = tf.cast(step_logits - logits[:, t], tf.float32)
        assert np.abs(close).mean() < 0.03 * np.std(full(INPUTS))


@pytest.mark.parametrize(
    "dtype", ["float32", pytest.param("mixed_bfloat16", marks=pytest.mark.slow)]
)
def test_it_trains_by_plain_fit(dtype):
    model = make(dropout=0.0, dtype=dtype, num_layers=1, num_decoder_layers=1)
    optimizer = keras.optimizers.Adam(0.01)
    model.compile(optimizer, LabelSmoothedCrossEntropy(0.1), jit_compile=False)
    history = model.fit(INPUTS, TARGET, epochs=10, verbose=0).history["loss"]
    assert history[-1] < history[0] - 0.5


def test_dropout_acts_in_training_only():
    model = make(dropout=0.5)
    np.testing.assert_array_equal(model(INPUTS), model(INPUTS))
    losses = [np.asarray(model(INPUTS, training=True)) for _ in range(2)]
    assert np.abs(losses[0] - losses[1]).max() > 0.1


@pytest.mark.slow
def test_it_learns_to_reverse():
    generator, longest = np.random.default_rng(1), 5
    ids = np.zeros((2, 6_400, longest + 1), "int32")
    for row, length in enumerate(generator.integers(2, longest + 1, ids.shape[1])):
        symbols = generator.integers(4, 12, length)
        ids[0, row, : length + 1] = [*symbols, 3]
        ids[1, row, : length + 1] = [*symbols[::-1], 3]
    (sources, labels), num_training = ids, 6_272
    decoder_ids = np.pad(labels, ((0, 0), (1, 0)), constant_values=2)[:, :-1] * (labels != 0)
    inputs = {"encoder_token_ids": sources, "decoder_token_ids": decoder_ids}
    model = ConvSeq2Seq(12, hidden_dim=32, num_layers=1, dropout=0.0, max_sequence_length=8)
    optimizer = keras.optimizers.Adam(0.004, beta_2=0.98)
    model.compile(optimizer, LabelSmoothedCrossEntropy(0.1), jit_compile=True)
    training = {name: x[:num_training] for name, x in inputs.items()}
    model.fit(training, labels[:num_training], batch_size=64, epochs=3, verbose=0)
    start = model.start(sources[num_training:], longest + 1)
    found = search(model.decode_step, start, GreedySearch(), longest + 1).token_ids[:, 0]
    assert np.mean(np.all(found == labels[num_training:], axis=1)) > 0.9


# What is made of a model


@pytest.mark.slow
def test_a_translator_is_saved_loaded_and_exported_with_the_same_translations(tmp_path):
    tokenizer = ByteTokenizer()
    sizes = {"max_sequence_length": 256, "num_layers": 1, "num_decoder_layers": 2}
    model = make(source_vocabulary_size=tokenizer.vocabulary_size, **sizes)
    settings = {"decoding": BeamSearch(num_beams=3), "max_source_tokens": 30, "max_extra_tokens": 4}
    translator = keras_attn.Translator(model, tokenizer, jit_compile=False, **settings)
    lines = ["Good morning.", "", "Wo ist der Bahnhof?", "x", "far too long a line " * 9]
    expected = translator.translate(lines)
    assert len(set(expected)) == len(lines)  # nonsense, but of each line its own
    translator.save(tmp_path / "translator")
    assert keras_attn.Translator.load(tmp_path / "translator").translate(lines) == expected
    version = export_saved_model(translator, tmp_path / "models")
    serve = tf.saved_model.load(str(version)).signatures["serving_default"]
    texts = serve(tf.constant(lines))["translation"].numpy()
    assert [text.decode("utf-8") for text in texts] == expected
    assert serve(tf.constant([], tf.string))["translation"].shape == (0,)
    content = (version / "saved_model.pb").read_bytes()
    (meta_graph,) = saved_model_pb2.SavedModel.FromString(content).meta_graphs
    nodes = [node for one in meta_graph.graph_def.library.function for node in one.node_def]
    assert nodes and not [node.op for node in nodes if "Xla" in node.op or "PyFunc" in node.op]
    (detailed,) = translator.translate_detailed(lines[:1], attention=True)
    assert np.asarray(detailed.attention).shape[:2] == (2, 1)


# Sizes


@pytest.mark.parametrize("size", ["tiny", "small"])
def test_presets_have_as_many_parameters_as_the_transformers(size):
    with keras.StatelessScope():  # counts without allocating the weights
        conv, transformer = (
            create_model(f"{kind}_{size}", source_vocabulary_size=8_000).count_params()
            for kind in ("conv", "transformer")
        )
    assert abs(conv / transformer - 1) < 0.1


def test_one_vocabulary_has_one_matrix_in_three_places():
    model = make()
    assert [w.shape for w in model.weights].count((V, D)) == 1
    separate = [w.shape for w in make("two vocabularies").weights]
    assert separate.count((V, D)) == separate.count((19, D)) == separate.count((D, 19)) == 1
    assert model.max_sequence_length == 16 and model.target_vocabulary_size == V
    assert make("two vocabularies").max_sequence_length is None


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"num_layers": 0}, "`num_layers` must be an integer of at least 1. Received"),
        ({"kernel_size": 0}, "`kernel_size` must be an integer of at least 1. Received"),
        ({"dropout": 1.0}, r"`dropout` must be a number in \[0, 1\)"),
        ({"position": "rotary"}, "`position` of a convolutional model must .* RotaryEmbedding"),
    ],
)
def test_bad_arguments_are_named(overrides, message):
    with pytest.raises(ValueError, match=message):
        make(**overrides)


def test_a_search_is_not_longer_than_the_positions_that_were_learned():
    with pytest.raises(ValueError, match="`max_length` must be .* max_length=17, max_seq.*=16"):
        make().start(SOURCE, max_length=17)
