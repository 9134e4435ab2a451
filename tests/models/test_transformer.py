"""The Transformer as a whole: sizes, masks, caches, saving."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_attn
from keras_attn.layers import MultiHeadAttention, SelfCache, TokenEmbedding
from keras_attn.models import CausalDecoder, Decoder, Encoder, Transformer, create_model
from tests.support.seeds import seed_weights

B, T, S, V = 3, 5, 7, 23
SOURCE = np.array(
    [[4, 5, 6, 7, 8, 9, 3], [10, 11, 3, 0, 0, 0, 0], [12, 13, 14, 15, 3, 0, 0]], "int32"
)
TARGET = np.array([[2, 4, 5, 6, 7], [2, 8, 9, 0, 0], [2, 10, 11, 12, 0]], "int32")
INPUTS = {"encoder_token_ids": SOURCE, "decoder_token_ids": TARGET}
SIZES = {"hidden_dim": 12, "intermediate_dim": 17, "num_heads": 3, "num_layers": 2}


@keras.saving.register_keras_serializable(package="tests")
class FadingAttention(MultiHeadAttention):
    """Attends less to later keys: by their position in the sequence, not in a shared cache."""

    def attend(self, query, key, value, attention_mask=None, training=None):
        positions = keras.ops.arange(keras.ops.shape(key)[2], dtype="float32")[:, None]
        return super().attend(query, key * 0.5**positions, value, attention_mask, training)


@keras.saving.register_keras_serializable(package="tests")
class FadingLogits(MultiHeadAttention):
    """As `FadingAttention`, by a smaller hook."""

    def attention_logits(self, query, key, positions=None):
        logits = super().attention_logits(query, key, positions)
        return logits - 0.3 * keras.ops.arange(keras.ops.shape(key)[2], dtype="float32")


@keras.saving.register_keras_serializable(package="tests")
class UnitKeysAttention(MultiHeadAttention):
    """Projects keys in a way of its own."""

    def project_key_value(self, value, key=None):
        projected = super().project_key_value(value, key)
        return {**projected, "key": 3.0 * keras.ops.normalize(projected["key"])}


@keras.saving.register_keras_serializable(package="tests")
class RunningMean(keras.layers.Layer):
    """An attention that is no `MultiHeadAttention`: the mean of what came before, or of all.

    Of decoding it knows `cache` alone. It keeps one sum instead of keys and values.
    """

    def call(
        self, query, value=None, value_mask=None, use_causal_mask=False, cache=None, **options
    ):
        if isinstance(cache, SelfCache):
            total, position = cache.tensors["total"] + query, cache.position + 1
            cache = cache._replace(tensors={"total": total}, position=position)
            return total / keras.ops.cast(position, total.dtype), cache
        value = value if cache is None else cache.tensors["value"]
        if use_causal_mask:
            counts = keras.ops.arange(1, keras.ops.shape(value)[1] + 1, dtype=value.dtype)
            return keras.ops.cumsum(value, axis=1) / counts[:, None]
        weights = keras.ops.cast(value_mask, value.dtype)[..., None]
        mean = keras.ops.sum(value * weights, 1) / keras.ops.sum(weights, 1)
        outputs = query * 0 + mean[:, None]
        return outputs if cache is None else (outputs, cache)

    def empty_cache(self, batch_size, max_length):
        total = keras.ops.zeros((batch_size, 1, SIZES["hidden_dim"]), self.compute_dtype)
        return SelfCache({"total": total}, keras.ops.convert_to_tensor(0))

    def project_key_value(self, value):
        return {"value": value}


@keras.saving.register_keras_serializable(package="tests")
class RunningMeanOfHeads(RunningMean, MultiHeadAttention):
    """A subclass of ours whose `call` is its own, and whose cache holds no keys."""

    can_share_cache = False


# One layer shows what a kind of layer does. The first three have several, of which the blocks of a
# step share a mask, or must not.
ONE = {"num_layers": 1}
VARIANTS = {
    "post-norm": {},
    "deep decoder": {"num_decoder_layers": 3},
    "window": {"attention": MultiHeadAttention(3, 4, sliding_window=3)},
    "pre-norm": {**ONE, "normalize_first": True},
    "learned positions": {**ONE, "position": "learned", "max_sequence_length": 9},
    "rms norm": {**ONE, "normalization": "rms_norm"},
    "untied": {**ONE, "tie_output": False},
    "output bias": {**ONE, "use_output_bias": True},
    "projection of its own": {**ONE, "output_projection": keras.layers.Dense},
    "two vocabularies": {**ONE, "target_vocabulary_size": 19},
    "positions of keys": {**ONE, "attention": FadingAttention},
    "keys of its own": {**ONE, "attention": UnitKeysAttention},
    "attention of its own": {**ONE, "attention": RunningMean},
    "call of its own": {**ONE, "attention": RunningMeanOfHeads(3, 4)},
    "grouped heads": {**ONE, "attention": MultiHeadAttention(3, 4, num_key_value_heads=1)},
}


def make(**overrides):
    model = Transformer(**{"source_vocabulary_size": V, **SIZES, **overrides})
    model.build()
    return model


@pytest.fixture(params=VARIANTS, name="model", scope="module")
def any_variant(request):
    """A model of each kind, for tests that leave its weights as they are."""
    seed_weights(20170612)
    return make(**VARIANTS[request.param])


# Sizes: the arithmetic stands in docs/paper_to_code.md


@pytest.mark.parametrize(
    "preset, vocabulary_size, expected",
    [
        ("transformer_base", 37_000, 63_082_496),
        ("transformer_big", 37_000, 214_245_376),
        ("transformer_base", 8_000, 48_234_496),
    ],
)
def test_parameters_are_as_many_as_the_arithmetic_of_the_paper_says(
    preset, vocabulary_size, expected
):
    width, inner = {"transformer_base": (512, 2048), "transformer_big": (1024, 4096)}[preset]
    attention = 4 * (width * width + width)
    feed_forward = width * inner + inner + inner * width + width
    norm = 2 * width
    layers = 6 * (attention + feed_forward + 2 * norm) + 6 * (
        2 * attention + feed_forward + 3 * norm
    )
    assert vocabulary_size * width + layers == expected
    with keras.StatelessScope():  # counts without allocating the weights
        model = create_model(preset, source_vocabulary_size=vocabulary_size)
        assert model.count_params() == expected


def test_presets_are_the_papers_table_3():
    config = create_model("transformer_tiny", hidden_dim=8, num_heads=2).get_config()
    assert config["normalize_first"] is False and config["activation"] == "relu"
    from keras_attn.models.create_model import PRESETS

    base, big = (PRESETS[name].keywords for name in ("transformer_base", "transformer_big"))
    names = ("num_layers", "hidden_dim", "intermediate_dim", "num_heads", "dropout")
    assert [base[name] for name in names] == [6, 512, 2048, 8, 0.1]
    assert [big[name] for name in names] == [6, 1024, 4096, 16, 0.3]


def test_the_summary_of_a_new_model_counts_its_weights():
    lines = []
    create_model("transformer_tiny", source_vocabulary_size=100).summary(print_fn=lines.append)
    assert "938,496" in "\n".join(lines)


# Numbers


def test_cached_steps_equal_the_full_pass(model):
    expected = model(INPUTS)
    state = model.start(SOURCE, max_length=T + 2)
    for t in range(T):
        logits, state = model.decode_step(TARGET[:, t : t + 1], state)
        real = TARGET[:, t] != 0
        np.testing.assert_allclose(logits[real], expected[:, t][real], atol=3e-6)


def test_a_hypothesis_keeps_its_own_past_when_it_changes_places(model):
    # Three hypotheses a sentence; after each step a place goes on from the hypothesis of another.
    num_beams, rng = 3, np.random.default_rng(5)
    rows = B * num_beams
    announced = model.start(SOURCE, max_length=T, num_beams=num_beams)
    states = {"announced": announced, "not announced": model.start(SOURCE, max_length=T)}
    for state in states.values():
        state["rows"] = tf.nest.map_structure(
            lambda x: tf.repeat(x, num_beams, axis=0), state["rows"]
        )
    source = np.repeat(SOURCE, num_beams, 0)
    prefixes = np.full((rows, 1), 2)
    for t in range(T - 1):
        targets = np.pad(prefixes, ((0, 0), (0, T - 1 - t)))
        expected = model({"encoder_token_ids": source, "decoder_token_ids": targets})[:, t]
        parents = rng.integers(0, num_beams, (B, num_beams)) + num_beams * np.arange(B)[:, None]
        parents = parents.ravel()
        for name, state in states.items():
            logits, state = model.decode_step(prefixes[:, t:], state)
            np.testing.assert_allclose(logits, expected, atol=5e-6, err_msg=name)
            state["rows"] = tf.nest.map_structure(lambda x: tf.gather(x, parents), state["rows"])  # noqa: B023
            states[name] = state
        prefixes = np.concatenate([prefixes[parents], rng.integers(4, 16, (rows, 1))], axis=1)


def test_a_smaller_hook_may_depend_on_the_positions_of_keys():
    model = make(**ONE, attention=FadingLogits)
    assert not model.decoder.can_share_caches
    expected, state = model(INPUTS), model.start(SOURCE, max_length=T, num_beams=2)
    state["rows"] = tf.nest.map_structure(lambda x: tf.repeat(x, 2, axis=0), state["rows"])
    for t in range(3):
        logits, state = model.decode_step(np.repeat(TARGET[:, t : t + 1], 2, 0), state)
        np.testing.assert_allclose(logits, np.repeat(expected[:, t], 2, 0), atol=3e-6)


class Adapter(keras.layers.Layer):
    """A layer around a projection, as LoRA is written by hand."""

    def __init__(self, projection):
        super().__init__(name=projection.name)
        self.projection = projection
        self.kernel = projection.kernel

    def call(self, inputs):
        return 1.5 * self.projection(inputs)


@pytest.mark.parametrize("name", ["_query_dense", "value_dense", "output_dense"])
def test_a_projection_may_be_wrapped(name):
    model = make(**ONE)
    attention = model.decoder.blocks[0].self_attention
    before = np.asarray(model(INPUTS))
    attention._tracker.unlock()
    setattr(attention, name, Adapter(getattr(attention, name)))
    expected, state = model(INPUTS), model.start(SOURCE, max_length=T)
    assert np.abs(expected - before).max() > 1e-3
    for t in range(3):
        logits, state = model.decode_step(TARGET[:, t : t + 1], state)
        real = TARGET[:, t] != 0
        np.testing.assert_allclose(logits[real], expected[:, t][real], atol=3e-6)


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method:UserWarning")
@pytest.mark.parametrize("position", ["sinusoidal", "rotary", "relative_bias"])
def test_every_layer_is_built_and_can_be_quantized(position):
    model = make(**ONE, position=position)
    assert all(layer.built for layer in model._flatten_layers())
    before = np.asarray(model(INPUTS))
    model.quantize("int8")
    assert 0 < np.abs(model(INPUTS) - before).max() < 0.2


def test_an_activation_is_the_function_that_was_given():
    def gelu(x):
        return 0.0 * x

    model = make(**ONE, activation=gelu)
    model.decoder.blocks[0].feed_forward.output_dense.bias.assign(np.ones(12))
    other = make(**ONE, activation=lambda x: 0.0 * x)
    other.set_weights(model.get_weights())
    np.testing.assert_array_equal(model(INPUTS), other(INPUTS))
    usual = make(**ONE, activation="gelu")
    usual.set_weights(model.get_weights())
    assert np.abs(usual(INPUTS) - model(INPUTS)).max() > 1e-3


def test_no_future_token_changes_an_earlier_logit(model):
    before = np.asarray(model(INPUTS))
    for t in range(1, T):
        changed = TARGET.copy()
        changed[:, t:] = 16
        after = model({**INPUTS, "decoder_token_ids": changed})
        np.testing.assert_allclose(after[:, :t], before[:, :t], atol=1e-6)
        assert np.abs(after[:, t] - before[:, t]).max() > 1e-3


def test_padding_changes_nothing(model):
    expected = model(INPUTS)
    wide = {
        "encoder_token_ids": np.pad(SOURCE, ((0, 0), (0, 2))),
        "decoder_token_ids": np.pad(TARGET, ((0, 0), (0, 3))),
    }
    real = TARGET != 0
    np.testing.assert_allclose(model(wide)[:, :T][real], np.asarray(expected)[real], atol=3e-6)


def test_a_sentence_alone_equals_the_sentence_in_a_batch(model):
    expected = model(INPUTS)
    for i in range(B):
        alone = model({name: ids[i : i + 1] for name, ids in INPUTS.items()})
        real = TARGET[i] != 0
        np.testing.assert_allclose(alone[0][real], expected[i][real], atol=3e-6)


def test_padding_receives_no_gradient():
    # With an output of its own, the embedding's gradient comes through the look-up alone.
    model = make(dropout=0.0, tie_output=False)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.boolean_mask(model(INPUTS), TARGET != 0))
    gradient = tape.gradient(loss, model.shared_embedding.embeddings.value)
    gradient = tf.convert_to_tensor(gradient).numpy()
    assert np.all(gradient[0] == 0) and np.abs(gradient[4]).max() > 0


# Compiling takes seconds. These have every kind of mask, head and order between them.
QUICKLY_COMPILED = ("pre-norm", "window", "grouped heads", "attention of its own")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in QUICKLY_COMPILED else pytest.mark.slow)
        for name in VARIANTS
    ],
)
def test_compiled_and_plain_graphs_agree(name):
    model = make(**VARIANTS[name])
    expected = model(INPUTS)
    for jit_compile in (False, True):
        run = tf.function(lambda inputs: model(inputs), jit_compile=jit_compile)
        np.testing.assert_allclose(run(INPUTS), expected, atol=1e-5)


# Weights


def test_the_shared_embedding_is_one_variable_in_three_places():
    model = make()
    embeddings = [w for w in model.weights if w.shape == (V, SIZES["hidden_dim"])]
    assert len(embeddings) == 1
    assert model.encoder.embedding is model.decoder.embedding is model.shared_embedding
    before = np.asarray(model(INPUTS))
    embeddings[0].assign(embeddings[0] * 2)
    assert np.abs(model(INPUTS) - before).max() > 1e-2


def test_separate_vocabularies_have_a_matrix_each():
    model = make(target_vocabulary_size=19)
    shapes = [w.shape for w in model.weights]
    assert shapes.count((V, 12)) == 1 and shapes.count((19, 12)) == 1
    assert model(INPUTS).shape == (B, T, 19)


# Logits


@pytest.mark.parametrize("tie_output", [True, False])
def test_the_output_bias_is_added_to_every_logit(tie_output):
    model, plain = make(tie_output=tie_output, use_output_bias=True), make(tie_output=tie_output)
    biases = [weight for weight in model.weights if weight.shape == (V,)]
    plain.set_weights([w for w in model.get_weights() if w.shape != (V,)])
    np.testing.assert_allclose(model(INPUTS), plain(INPUTS), atol=1e-6)
    bias = np.linspace(-3, 3, V)
    biases[0].assign(bias)
    assert len(biases) == 1
    np.testing.assert_allclose(model(INPUTS), plain(INPUTS) + bias, atol=1e-5)


def test_a_projection_that_replaces_the_models_own_is_saved_and_loaded(tmp_path):
    model = Transformer(source_vocabulary_size=V, **SIZES)
    model.decoder.output_projection = keras.layers.Dense(V, use_bias=True, activation="tanh")
    model.build()
    assert np.abs(model(INPUTS)).max() <= 1
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(INPUTS), model(INPUTS))


@pytest.mark.parametrize("stack_class", [Encoder, Decoder])
@pytest.mark.parametrize(
    "embedding, message",
    [
        (TokenEmbedding(V + 1, 12), "24 vectors of 12 numbers, vocabulary_size=23, hidden_dim=12"),
        (TokenEmbedding(V, 8), "23 vectors of 8 numbers"),
        (keras.layers.Embedding(V - 1, 12), "22 vectors of 12 numbers"),
    ],
)
def test_an_embedding_of_another_size_is_refused(stack_class, embedding, message):
    with pytest.raises(ValueError, match=f"`embedding` must .* {message}"):
        stack_class(V, **SIZES, embedding=embedding)


def test_a_projection_of_another_size_is_refused():
    with pytest.raises(ValueError, match="`output_projection` must .* 22 outputs, vocab.*=23"):
        make(output_projection=keras.layers.Dense(V - 1))


# Scores


def test_attention_scores_are_distributions_over_what_may_be_attended_to():
    model = make(num_decoder_layers=3)
    scores = model.attention_scores(INPUTS)
    assert scores["encoder"].shape == (B, 2, 3, S, S)
    assert scores["decoder"].shape == (B, 3, 3, T, T)
    assert scores["cross"].shape == (B, 3, 3, T, S)
    for name in ("encoder", "cross"):
        np.testing.assert_allclose(np.sum(scores[name], -1), 1, atol=1e-5)
        assert np.all(np.asarray(scores[name])[1, ..., 3:] == 0)  # the padding of sentence 1
    assert np.all(np.triu(np.asarray(scores["decoder"]), 1) == 0)


# Keras


def test_it_saves_and_loads_with_identical_outputs(model, tmp_path):
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(INPUTS), model(INPUTS))
    assert json.dumps(again.get_config()) == json.dumps(model.get_config())
    assert [w.path for w in again.weights] == [w.path for w in model.weights]


def test_it_trains_by_plain_fit_and_resumes_from_a_file(tmp_path):
    model = make(dropout=0.0, num_layers=1)
    # Without XLA: test_seq2seq_model.py trains with it. Momentum is state that a file must hold.
    optimizer = keras.optimizers.SGD(0.02, momentum=0.9)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, jit_compile=False)
    history = model.fit(INPUTS, TARGET, epochs=20, verbose=0).history["loss"]
    assert history[-1] < history[0] - 0.3
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    # The first loss is of the weights, the second of what the optimizer remembers, too.
    expected, found = (
        one.fit(INPUTS, TARGET, epochs=2, verbose=0).history["loss"] for one in (model, again)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_it_works_inside_a_functional_model():
    symbols = {name: keras.Input((None,), dtype="int32", name=name) for name in INPUTS}
    transformer = make()
    model = keras.Model(symbols, transformer(symbols))
    assert model.outputs[0].shape == (None, None, V)
    np.testing.assert_allclose(model(INPUTS), transformer(INPUTS), atol=1e-6)


def test_half_precision_keeps_float32_weights_and_stays_close():
    model = make(dtype="mixed_bfloat16")
    full = make()
    full.set_weights(model.get_weights())
    logits = model(INPUTS)
    assert logits.dtype == tf.bfloat16 and all(w.dtype == "float32" for w in model.weights)
    np.testing.assert_allclose(tf.cast(logits, tf.float32), full(INPUTS), atol=0.15)


def test_stacks_stand_alone_and_round_trip():
    encoder = Encoder(V, **SIZES)
    sequence = encoder(SOURCE)
    assert sequence.shape == (B, S, 12)
    decoder = Decoder(V, **SIZES, tie_output=False)
    assert decoder(TARGET, sequence).shape == (B, T, V)
    for stack in (encoder, decoder):
        twin = type(stack).from_config(json.loads(json.dumps(stack.get_config())))
        assert json.dumps(twin.get_config()) == json.dumps(stack.get_config())


@pytest.mark.parametrize("stack_class, width", [(Encoder, 12), (CausalDecoder, V)])
def test_a_stack_reads_several_texts_in_keras_own_wrapper(stack_class, width):
    stack = stack_class(V, **{**SIZES, "num_layers": 1})
    texts = np.stack([SOURCE, SOURCE[::-1]], axis=1)  # (B, 2, S)
    symbol = keras.Input((2, S), dtype="int32")
    model = keras.Model(symbol, keras.layers.TimeDistributed(stack)(symbol))
    assert model.outputs[0].shape == (None, 2, S, width)
    for i in range(2):
        np.testing.assert_allclose(model(texts)[:, i], stack(texts[:, i]), atol=1e-5)


def test_stacks_know_the_shape_of_their_output_and_of_several():
    encoder, decoder = Encoder(V, **SIZES), Decoder(V, **SIZES)
    assert encoder.compute_output_shape((None, 7)) == (None, 7, 12)
    assert decoder.compute_output_shape((B, None), (B, 7, 12)) == (B, None, V)
    symbol = keras.Input((S,), dtype="int32")
    sequence, scores = encoder(symbol, return_attention_scores=True)
    assert sequence.shape == (None, S, 12) and scores.shape == (None, 2, 3, S, S)
    target = keras.Input((T,), dtype="int32")
    logits, own, cross = decoder(target, sequence, return_attention_scores=True)
    assert logits.shape == (None, T, V)
    assert own.shape == (None, 2, 3, T, T) and cross.shape == (None, 2, 3, T, S)


def test_the_embeddings_of_a_stack_are_dropped_out_in_training_only():
    encoder = Encoder(V, **{**SIZES, "num_layers": 1}, dropout=0.5)
    embedded = encoder.embed(SOURCE, training=True)
    assert 0.3 < np.mean(np.asarray(embedded) == 0) < 0.7  # Section 5.4: P_drop on the sums
    assert np.mean(np.asarray(encoder.embed(SOURCE)) == 0) < 0.01


def test_a_decoder_without_anything_from_an_encoder_is_refused():
    with pytest.raises(ValueError, match="`encoder_sequence` may only be left out with"):
        Decoder(V, **SIZES)(TARGET)


# Errors


@pytest.fixture(scope="module")
def plain():
    """The paper's model."""
    return make()


@pytest.mark.parametrize(
    "ids, message",
    [
        (np.ones((2, 3), "float32"), "must be integers of shape .* dtype=float32"),
        (np.ones((3,), "int32"), r"must be integers of shape .* shape=\(3,\)"),
        (np.ones((1, 2, 3), "int32"), r"must be integers of shape"),
        (np.full((2, 3), V), f"vocabulary_size={V}"),
    ],
)
def test_bad_token_ids_are_named(ids, message, plain):
    with pytest.raises(ValueError, match=message):
        plain({"encoder_token_ids": ids, "decoder_token_ids": TARGET[:2]})


def test_unknown_presets_and_arguments_name_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'transformer_base'"):
        keras_attn.create_model("transfomer_base")
    with pytest.raises(ValueError, match="Did you mean 'num_heads'"):
        keras_attn.create_model("transformer_tiny", heads=3)


@pytest.mark.parametrize(
    "arguments",
    [
        {"num_layers": 0},
        {"num_decoder_layers": 0},
        {"num_heads": 0},
        {"target_vocabulary_size": 0},
        {"intermediate_dim": -3},
    ],
)
def test_sizes_must_be_positive(arguments):
    with pytest.raises(ValueError, match="must be an integer of at least 1. Received"):
        make(**arguments)


def test_inputs_that_are_not_those_of_the_interface_are_named(plain):
    with pytest.raises(ValueError, match="`inputs` must be a dict with 'encoder_token_ids'"):
        plain({"encoder_token_ids": SOURCE})
    with pytest.raises(ValueError, match="3 rows of encoder_token_ids, 2 of decoder_token_ids"):
        plain({"encoder_token_ids": SOURCE, "decoder_token_ids": TARGET[:2]})
