"""The recurrent model as a whole: its equations in NumPy, masks, search, training, export."""

import dataclasses
import itertools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

import keras_attn
from keras_attn.data import CharacterTokenizer
from keras_attn.decoding import BeamSearch, search
from keras_attn.interop import ctranslate2_spec, export_litert
from keras_attn.models import RNNSeq2Seq, create_model
from keras_attn.serving import export_saved_model
from keras_attn.training import LabelSmoothedCrossEntropy, train
from keras_attn.training.recipe.model_recipe import ModelRecipe
from keras_attn.training.update.update_cost import update_cost
from tests.support.digits import digits_recipe, write_digits
from tests.support.eager_functions import eager_functions
from tests.support.reference import softmax
from tests.support.seeds import seed_weights

B, T, S, V, D = 3, 5, 7, 23, 6
SOURCE = np.array(
    [[4, 5, 6, 7, 8, 9, 3], [10, 11, 3, 0, 0, 0, 0], [12, 13, 14, 15, 3, 0, 0]], "int32"
)
TARGET = np.array([[2, 4, 5, 6, 7], [2, 8, 9, 0, 0], [2, 10, 11, 12, 0]], "int32")
INPUTS = {"encoder_token_ids": SOURCE, "decoder_token_ids": TARGET}

# Every cell with every attention; between them every kind of encoder and decoder.
VARIANTS = {
    "lstm, bahdanau": {"num_layers": 2, "num_decoder_layers": 3},
    "lstm, luong": {"num_layers": 1, "num_decoder_layers": 2, "target_vocabulary_size": 19},
    "gru, bahdanau": {"num_layers": 3, "num_decoder_layers": 1, "num_bidirectional_layers": 2},
    "gru, luong": {"num_layers": 2, "num_bidirectional_layers": 0},
}


def make(variant="lstm, bahdanau", **overrides):
    cell, attention = variant.split(", ")
    options = {"hidden_dim": D, "cell": cell, "attention": attention, **VARIANTS[variant]}
    model = RNNSeq2Seq(**{"source_vocabulary_size": V, **options, **overrides})
    model.build()
    for weight in model.weights:  # biases that are not zero, too
        if "bias" in weight.path:
            weight.assign(weight + np.random.default_rng(1).normal(size=weight.shape) / 2)
    return model


@pytest.fixture(params=VARIANTS, name="model", scope="module")
def any_variant(request):
    """A model of each kind, for tests that leave its weights as they are."""
    seed_weights(20150519)
    return make(request.param)


@pytest.mark.parametrize("name", ["transformer_tiny", "rnn_tiny", "conv_tiny"])
def test_keras_losses_leave_padding_out(name):
    sizes = {"source_vocabulary_size": V, "hidden_dim": 8, "num_layers": 1}
    model = create_model(name, **sizes)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, run_eagerly=True)
    losses = []
    for more in (0, 3):
        wide = np.pad(TARGET, ((0, 0), (0, more)))
        losses.append(model.evaluate({**INPUTS, "decoder_token_ids": wide}, wide, verbose=0))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


# The equations, in float64, for one sentence without padding


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def cell_step(w, name, x, states):
    """One step of an LSTM (two states) or a GRU (one), as Keras lays out their weights."""
    kernel, recurrent, bias = (
        w[f"{name}/{part}"] for part in ("kernel", "recurrent_kernel", "bias")
    )
    if len(states) == 2:
        h, c = states
        i, f, g, o = np.split(x @ kernel + h @ recurrent + bias, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return [sigmoid(o) * np.tanh(c), c]
    (h,) = states
    xz, xr, xn = np.split(x @ kernel + bias[0], 3)
    hz, hr, hn = np.split(h @ recurrent + bias[1], 3)
    z = sigmoid(xz + hz)
    return [z * h + (1 - z) * np.tanh(xn + sigmoid(xr + hr) * hn)]


def read(w, name, sequence, num_states):
    """All outputs of a layer that starts from zeros."""
    states, outputs = [np.zeros(D)] * num_states, []
    for x in sequence:
        states = cell_step(w, name, x, states)
        outputs.append(states[0])
    return outputs


def encode(w, config, embedded):
    num_states = 2 if config["cell"] == "lstm" else 1
    sequence = embedded
    for i in range(config["num_layers"]):
        directions = [read(w, f"encoder/forward_{i}", sequence, num_states)]
        last = directions[0][-1]
        if i < config["num_bidirectional_layers"]:
            backward = read(w, f"encoder/backward_{i}", sequence[::-1], num_states)
            last = np.concatenate([last, backward[-1]])
            directions.append(backward[::-1])
        sequence = [np.concatenate(pair) for pair in zip(*directions, strict=True)]
    return sequence, last


def attend(w, config, h, sources):
    if config["attention"] == "luong":
        scores = [h @ (w["decoder/attention/key/kernel"].T @ s) for s in sources]
    else:
        names = ("query/kernel", "key/kernel", "key/bias", "score_kernel")
        query, key, bias, v = (w[f"decoder/attention/{name}"] for name in names)
        scores = [(np.tanh(h @ query + s @ key + bias) @ v)[0] for s in sources]
    weights = softmax(np.array(scores))
    return weights @ np.array(sources), weights


def reference(w, config, source, target):
    """Logits, (T, V), and attention weights, (T, S), of ids without padding."""
    shared = config["target_vocabulary_size"] is None
    source_table = w["shared_embedding/embeddings" if shared else "source_embedding/embeddings"]
    table = source_table if shared else w["target_embedding/embeddings"]
    sources, last = encode(w, config, [D**0.5 * source_table[token] for token in source])
    num_layers = config["num_decoder_layers"] or config["num_layers"]
    num_states = 2 if config["cell"] == "lstm" else 1
    start = np.tanh(last @ w["decoder/start/kernel"] + w["decoder/start/bias"])
    start = np.split(start, num_layers * num_states)
    layers = [start[i * num_states : (i + 1) * num_states] for i in range(num_layers)]
    attentional, logits, weights = np.zeros(D), [], []
    for token in target:
        # Input feeding: the two are side by side, and so are the rows of the two kernels.
        x = np.concatenate([D**0.5 * table[token], attentional])
        kernel = np.concatenate([w["decoder/layer_0/kernel"], w["decoder/feed/kernel"]])
        joined = {**w, "decoder/layer_0/kernel": kernel}
        for i in range(num_layers):
            layers[i] = cell_step(joined, f"decoder/layer_{i}", x, layers[i])
            x = layers[i][0]
        context, row = attend(w, config, x, sources)
        attentional = np.tanh(np.concatenate([context, x]) @ w["decoder/combine/kernel"])
        logits.append(table @ attentional)
        weights.append(row)
    return np.array(logits), np.array(weights)


def weights_of(model):
    return {w.path.split("/", 1)[1]: np.asarray(w, "float64") for w in model.weights}


def test_it_is_the_equations_of_the_papers_with_padding_in_source_and_target(model) -> None:
    logits, scores = np.asarray(model(INPUTS)), model.attention_scores(INPUTS)
    assert set(scores) == {"cross"} and scores["cross"].shape == (B, 1, 1, T, S)
    weights = np.asarray(scores["cross"])[:, 0, 0]
    for b in range(B):
        source, target = SOURCE[b][SOURCE[b] != 0], TARGET[b][TARGET[b] != 0]
        expected = reference(weights_of(model), model.get_config(), source, target)
        real = len(target), len(source)
        np.testing.assert_allclose(logits[b, : real[0]], expected[0], atol=3e-6)
        np.testing.assert_allclose(weights[b, : real[0], : real[1]], expected[1], atol=1e-6)
        assert np.all(weights[b, :, real[1] :] == 0)


@pytest.mark.parametrize("variant", ["lstm, bahdanau", "gru, luong"])
def test_gradients_are_differences_of_the_equations(variant) -> None:
    model, rng = make(variant), np.random.default_rng(4)
    factors = rng.normal(size=(B, T, V)) * (TARGET != 0)[..., None]

    def loss(arrays):
        total = 0.0
        for b in range(B):
            source, target = SOURCE[b][SOURCE[b] != 0], TARGET[b][TARGET[b] != 0]
            logits, _ = reference(arrays, model.get_config(), source, target)
            total += np.sum(logits * factors[b, : len(target)])
        return total

    with tf.GradientTape() as tape:
        value = tf.reduce_sum(model(INPUTS) * factors)
    gradients = tape.gradient(value, [weight.value for weight in model.weights])
    arrays, step = weights_of(model), 1e-5
    for (name, array), gradient in zip(arrays.items(), gradients, strict=True):
        direction = rng.normal(size=array.shape)
        up, down = ({**arrays, name: array + sign * step * direction} for sign in (1, -1))
        expected = (loss(up) - loss(down)) / (2 * step)
        found = np.sum(np.asarray(tf.convert_to_tensor(gradient), "float64") * direction)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4, err_msg=name)


# Steps, masks


def test_steps_equal_the_full_pass_though_hypotheses_change_places(model) -> None:
    # Three hypotheses a sentence; after each step a place goes on from the hypothesis of another.
    beams, rng = 3, np.random.default_rng(5)
    states = {n: model.start(SOURCE, max_length=T, num_beams=n) for n in (None, beams)}
    for state in states.values():
        state["rows"] = tf.nest.map_structure(lambda x: tf.repeat(x, beams, axis=0), state["rows"])
    source, prefixes = np.repeat(SOURCE, beams, 0), np.full((B * beams, 1), 2)
    for t in range(T):
        expected = model({"encoder_token_ids": source, "decoder_token_ids": prefixes})[:, t]
        parents = rng.integers(0, beams, (B, beams)) + beams * np.arange(B)[:, None]
        parents = parents.ravel()
        for n, state in states.items():
            logits, state = model.decode_step(prefixes[:, t:], state)
            np.testing.assert_allclose(logits, expected, atol=1e-5, err_msg=f"num_beams={n}")
            assert int(state["position"]) == t + 1
            state["rows"] = tf.nest.map_structure(lambda x: tf.gather(x, parents), state["rows"])  # noqa: B023
            states[n] = state
        prefixes = np.concatenate([prefixes[parents], rng.integers(4, 16, (len(parents), 1))], 1)


def test_padding_changes_nothing_and_a_row_of_padding_is_finite(model) -> None:
    expected, real = np.asarray(model(INPUTS)), TARGET != 0
    wide = {
        "encoder_token_ids": np.pad(SOURCE, ((0, 1), (0, 2))),
        "decoder_token_ids": np.pad(TARGET, ((0, 1), (0, 3)), constant_values=0),
    }
    logits = np.asarray(model(wide))
    np.testing.assert_allclose(logits[:B, :T][real], expected[real], atol=1e-6)
    assert np.isfinite(logits).all()
    for i in range(B):
        alone = model({"encoder_token_ids": SOURCE[i : i + 1][:, SOURCE[i] != 0],
                       "decoder_token_ids": TARGET[i : i + 1]})  # fmt: skip
        np.testing.assert_allclose(alone[0][real[i]], expected[i][real[i]], atol=1e-6)


def test_a_row_of_padding_gives_a_finite_gradient() -> None:
    model = make()
    inputs = {"encoder_token_ids": SOURCE * [[1], [0], [1]], "decoder_token_ids": TARGET}
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(model(inputs))
    for gradient in tape.gradient(value, [weight.value for weight in model.weights]):
        assert np.isfinite(tf.convert_to_tensor(gradient)).all()


def test_no_future_token_changes_an_earlier_logit(model) -> None:
    before = np.asarray(model(INPUTS))
    for t in range(1, T):
        changed = TARGET.copy()
        changed[:, t:] = 16
        after = np.asarray(model({**INPUTS, "decoder_token_ids": changed}))
        np.testing.assert_allclose(after[:, :t], before[:, :t], atol=1e-6)
        assert np.abs(after[:, t] - before[:, t]).max() > 1e-3


@pytest.mark.parametrize(
    "variant", ["lstm, luong", pytest.param("gru, bahdanau", marks=pytest.mark.slow)]
)
def test_graphs_of_any_size_and_xla_agree(variant) -> None:
    model = make(variant)
    expected, real = np.asarray(model(INPUTS)), TARGET != 0
    spec = {name: tf.TensorSpec((None, None), tf.int32) for name in INPUTS}
    for options in ({"input_signature": [spec]}, {"jit_compile": True}):
        run = tf.function(lambda inputs: model(inputs), **options)
        np.testing.assert_allclose(run(INPUTS)[real], expected[real], atol=1e-5)


# Dropout


def test_dropout_acts_between_the_layers_of_the_decoder_at_each_position_anew() -> None:
    model = make(dropout=0.5)
    assert np.abs(model(INPUTS, training=True) - model(INPUTS, training=True)).max() > 1e-3
    np.testing.assert_array_equal(model(INPUTS, training=False), model(INPUTS))
    embedded = np.ones((30, 20, D), "float32")
    masks = np.asarray(model.decoder._columns(embedded, training=True))[..., 4 * D :]
    assert masks.shape == (30, 20, 2 * D) and set(np.unique(masks)) == {0.0, 2.0}
    assert abs((masks == 0).mean() - 0.5) < 0.02
    assert 0.4 < (masks[:, 1:] != masks[:, :-1]).mean() < 0.6  # another one at each position
    assert 0.4 < (masks[..., :D] != masks[..., D:]).mean() < 0.6  # and for each layer
    # What is dropped between two layers is what the upper one does not see.
    source, state = model._encode(SOURCE, training=False)
    columns = np.zeros((B, 4 * D + 2 * D), "float32")
    columns[:, 4 * D + D :] = 1.0
    before, _ = model.decoder._step(columns, source, state, 1, False)
    changed = state._replace(layers=[[x + 1.0 for x in state.layers[0]], *state.layers[1:]])
    after, _ = model.decoder._step(columns, source, changed, 1, False)
    np.testing.assert_array_equal(before, after)


# Sizes


@pytest.mark.parametrize("size", ["tiny", "small"])
def test_presets_are_about_as_large_as_transformers(size) -> None:
    with keras.StatelessScope():  # counts without allocating the weights
        ours, theirs = (
            create_model(f"{kind}_{size}", source_vocabulary_size=8_000).count_params()
            for kind in ("rnn", "transformer")
        )
    width, layers = {"tiny": (128, 2), "small": (256, 3)}[size]

    def lstm(inputs):
        return 4 * width * (inputs + width + 1)

    encoder = 2 * lstm(width) + lstm(2 * width) + (layers - 2) * lstm(width)
    decoder = layers * lstm(width) + 4 * width**2  # with what is fed back
    value = width  # of the last layer, which reads in one direction
    attention = width**2 + value * width + width + width
    start = (value + 1) * layers * 2 * width
    combine = (value + width) * width
    assert ours == 8_000 * width + encoder + decoder + attention + start + combine
    assert abs(ours / theirs - 1) < 0.1


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="`num_bid.* from 0 to 2. Received: num_bid.*=3"):
        RNNSeq2Seq(num_layers=2, num_bidirectional_layers=3)
    with pytest.raises(ValueError, match=r"`cell` must be one of \['gru', 'lstm'\].*'lsmt'.*lstm"):
        RNNSeq2Seq(cell="lsmt")
    with pytest.raises(ValueError, match="`attention` must be .* or a layer class. .*Dense"):
        RNNSeq2Seq(attention=keras.layers.Dense(3))
    with pytest.raises(ValueError, match="`num_heads` is not an argument of RNNSeq2Seq"):
        create_model("rnn_tiny", num_heads=3)
    with pytest.raises(ValueError, match=f"vocabulary_size={V}"):
        make()({**INPUTS, "encoder_token_ids": SOURCE + 20})
    with pytest.raises(ValueError, match="`model` must be a Transformer. Received: RNNSeq2Seq"):
        ctranslate2_spec(make())


# Keras


def test_it_saves_and_loads_with_identical_outputs(model, tmp_path) -> None:
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(INPUTS), model(INPUTS))
    assert json.dumps(again.get_config()) == json.dumps(model.get_config())
    assert [w.path for w in again.weights] == [w.path for w in model.weights]


def test_half_precision_keeps_float32_weights_and_stays_close() -> None:
    model = make(dtype="mixed_bfloat16")
    full = make()
    full.set_weights(model.get_weights())
    logits = model(INPUTS)
    assert logits.dtype == tf.bfloat16 and all(w.dtype == "float32" for w in model.weights)
    np.testing.assert_allclose(tf.cast(logits, tf.float32), full(INPUTS), atol=0.1)
    step, _ = model.decode_step(TARGET[:, :1], model.start(SOURCE, max_length=T))
    np.testing.assert_allclose(tf.cast(step, tf.float32), full(INPUTS)[:, 0], atol=0.1)


# Search, text


def test_beam_search_finds_what_trying_all_finds() -> None:
    longest, end = 4, 3
    model = make("lstm, luong", source_vocabulary_size=9, target_vocabulary_size=6)
    for weight in model.weights:
        weight.assign(3.0 * weight)
    source = SOURCE[:, :4] % 9
    state = model.start(source, longest, num_beams=40)
    found = search(model.decode_step, state, BeamSearch(num_beams=40, length_penalty=0.0), longest)
    bodies = [body for size in range(longest) for body in itertools.product((1, 4, 5), repeat=size)]
    targets = np.array([[2, *body, *[0] * (longest - 1 - len(body))] for body in bodies])
    for b in range(B):
        rows = np.repeat(source[b : b + 1], len(bodies), axis=0)
        logits = np.asarray(model({"encoder_token_ids": rows, "decoder_token_ids": targets}))
        log_probabilities = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        scores = {
            (*body, end): sum(log_probabilities[i, t, one] for t, one in enumerate((*body, end)))
            for i, body in enumerate(bodies)
        }
        best = max(scores, key=scores.get)
        assert found.token_ids[b, 0].numpy().tolist() == [*best, *[0] * (longest - len(best))]
        assert float(found.log_probabilities[b, 0]) == pytest.approx(scores[best], abs=1e-4)


LINES = ["Good", "", "Wo ist der Bahnhof?", "x", "y"]


@pytest.fixture(scope="module")
def translator():
    """A translator of random weights; its translations are nonsense, but of each line its own."""
    seed_weights(8)
    tokenizer = CharacterTokenizer.train(LINES)
    model = create_model(
        "rnn_tiny",
        source_vocabulary_size=tokenizer.vocabulary_size,
        hidden_dim=16,
        num_layers=1,
    )
    for weight in model.trainable_variables:
        weight.assign(3.0 * weight)
    limits = {"max_source_tokens": 12, "max_extra_tokens": 3}
    return keras_attn.Translator(model, tokenizer, **limits, jit_compile=False)


@pytest.mark.slow
def test_a_saved_model_translates_as_its_translator_without_xla(translator, tmp_path) -> None:
    expected = translator.translate(LINES)
    assert len(set(expected)) >= 4
    version = export_saved_model(translator, tmp_path / "model", verification_texts=LINES[:2])
    content = (version / "saved_model.pb").read_bytes()
    (meta_graph,) = saved_model_pb2.SavedModel.FromString(content).meta_graphs
    library = meta_graph.graph_def.library.function
    nodes = [node for function in library for node in function.node_def]
    assert len(nodes) > 1000 and not [node.op for node in nodes if "Xla" in node.op]
    assert not [one for one in [*library, *nodes] if "_XlaMustCompile" in one.attr]
    served = tf.saved_model.load(str(version)).signatures["serving_default"](tf.constant(LINES))
    assert [text.decode() for text in served["translation"].numpy()] == expected


def test_a_translator_is_saved_shows_its_attention_and_scores(translator, tmp_path) -> None:
    detailed = translator.translate_detailed(LINES[:1], attention=True)[0]
    assert detailed.attention.shape[:2] == (1, 1)
    np.testing.assert_allclose(np.sum(detailed.attention, -1), 1.0, atol=1e-5)
    (score,) = translator.score(LINES[:1], [detailed.text])
    assert score == pytest.approx(detailed.log_probability, abs=1e-3)
    translator.save(tmp_path / "translator")
    again = keras_attn.Translator.load(tmp_path / "translator")
    assert again.translate(LINES) == translator.translate(LINES)
    assert translator.translate_tensor(tf.constant([], tf.string))["translation"].shape == (0,)
    with pytest.raises(ValueError, match="written for LiteRT: a Transformer .*=RNNSeq2Seq"):
        export_litert(translator, tmp_path / "litert")


# Training


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "float32"])
def test_it_learns_to_reverse_by_plain_fit(dtype) -> None:
    words = np.random.default_rng(6).integers(4, 12, (2064, 5))
    source = np.pad(words, ((0, 0), (0, 1)), constant_values=3).astype("int32")
    labels = np.pad(words[:, ::-1], ((0, 0), (0, 1)), constant_values=3).astype("int32")
    targets = np.pad(labels[:, :-1], ((0, 0), (1, 0)), constant_values=2)
    seen = {"encoder_token_ids": source[64:], "decoder_token_ids": targets[64:]}
    model = RNNSeq2Seq(12, hidden_dim=48, num_layers=1, dropout=0.0, dtype=dtype)
    model.compile(keras.optimizers.Adam(0.005), LabelSmoothedCrossEntropy(0.0), jit_compile=True)
    model.fit(seen, labels[64:], batch_size=50, epochs=3, verbose=0)
    found = search(model.decode_step, model.start(source[:64], 6), "greedy", 6).token_ids[:, 0]
    assert np.all(found.numpy() == labels[:64], axis=1).mean() > 0.9


def test_a_recipe_trains_it(tmp_path) -> None:
    sizes = {"hidden_dim": 16, "num_layers": 1, "cell": "gru"}
    recipe = digits_recipe(write_digits(tmp_path / "data"), max_steps=2)  # float32, without XLA
    recipe = dataclasses.replace(recipe, model=ModelRecipe("rnn_tiny", sizes))
    report = train(recipe, tmp_path / "run", progress=False).report
    assert report["steps"] == 2
    loaded = keras_attn.Translator.load(tmp_path / "run" / "translator")
    assert isinstance(loaded.model, RNNSeq2Seq) and loaded.model.get_config()["cell"] == "gru"
    with eager_functions():
        assert len(loaded.translate(["1 2 3"])) == 1


def test_the_cost_of_an_update_counts_every_step_of_the_loops() -> None:
    width, vocabulary_size, rows, length = 8, 100, 4, 30
    model = create_model(
        "rnn_tiny", source_vocabulary_size=vocabulary_size, hidden_dim=width, num_layers=1,
        attention="luong",
    )  # fmt: skip
    source = 2 * (8 * width**2) + 2 * width**2  # two directions, keys
    target = 3 * 4 * width**2 + 3 * length * width + 3 * width**2 + width * vocabulary_size
    flops = 2 * 3 * rows * length * (source + target)
    costs = [update_cost(model, rows, one) for one in (length, 2 * length)]
    assert costs[0].flops == pytest.approx(flops, rel=0.03)
    # The weights of attention grow with the square, all else with the length.
    assert 2 * costs[0].saved_bytes < costs[1].saved_bytes < 4 * costs[0].saved_bytes
