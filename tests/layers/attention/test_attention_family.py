"""Every attention and every position keeps the same promises; their table is in the docs."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attn.layers import (
    LinearAttention,
    LinformerAttention,
    LocalAttention,
    MultiHeadAttention,
    PerformerAttention,
    SparseAttention,
)
from keras_attn.layers.attention import multi_head_attention
from keras_attn.layers.slots import SLOTS
from tests.support.attention_variants import VARIANTS, D, H, K, attend, table
from tests.support.seeds import seed_weights

B, T = 2, 13
random = np.random.default_rng(17)
X = random.normal(size=(B, T, D)).astype("float32")
REAL = np.arange(T) < np.array([[T - 4], [T]])  # the first row ends with padding


@pytest.fixture(scope="module", params=VARIANTS)
def variant(request):
    return VARIANTS[request.param]


@pytest.fixture(scope="module")
def layer(variant):
    return make(variant)


def make(variant, arguments=None):
    """A layer of other arguments, or with weights that are no longer what they start as."""
    seed_weights(1)
    layer = variant.make()
    layer = type(layer).from_config({**layer.get_config(), **(arguments or {})})
    layer.build(X.shape)
    layer._is_short = lambda *_: False  # blocks, however few there are
    for weight in layer.trainable_weights:
        if arguments is None:
            weight.assign(weight + 0.3 * random.normal(size=weight.shape))
    return layer


@pytest.mark.parametrize("causal", [False, True])
def test_it_is_its_formula_in_float64(variant, layer, causal):
    if causal and "causal" in variant.refuses:
        with pytest.raises(ValueError, match="use_causal_mask"):
            layer(X, use_causal_mask=True)
        return
    expected = attend(variant, layer, X, REAL, causal)
    outputs = layer(X, value_mask=REAL, use_causal_mask=causal)
    np.testing.assert_allclose(outputs, expected, atol=3e-6)
    graph = tf.function(
        lambda x, real: layer(x, value_mask=real, use_causal_mask=causal),
        input_signature=[tf.TensorSpec([None, None, D]), tf.TensorSpec([None, None], tf.bool)],
    )
    np.testing.assert_allclose(graph(X, REAL), expected, atol=3e-6)  # sizes unknown to the graph


@pytest.mark.parametrize("name", [name for name, one in VARIANTS.items() if one.dense is not None])
def test_with_nothing_left_out_it_is_dense_attention(name):
    variant = VARIANTS[name]
    layer = make(variant, variant.dense)
    dense = MultiHeadAttention(H, K)
    dense.build(X.shape)
    dense.set_weights(layer.get_weights()[-8:])
    np.testing.assert_allclose(layer(X), dense(X), atol=3e-6)


def test_step_by_step_it_is_the_whole_pass(variant, layer):
    if "causal" in variant.refuses:
        with pytest.raises(ValueError, match="cache"):
            layer.empty_cache(B, T)
        return
    expected = layer(X, use_causal_mask=True)
    cache = layer.empty_cache(B, T + 3)
    first, cache = layer(X[:, :5], cache=cache)
    outputs = [first]
    for t in range(5, T):
        output, cache = layer(X[:, t : t + 1], cache=cache)
        outputs.append(output)
    np.testing.assert_allclose(np.concatenate(outputs, axis=1), expected, atol=3e-6)
    assert int(cache.position) == T


def test_a_masked_token_changes_nothing(variant, layer):
    expected = layer(X, value_mask=REAL)
    noise = np.where(REAL[..., None], X, 9.0)
    longer = np.concatenate([noise, 7.0 * np.ones((B, 5, D), "float32")], axis=1)
    real = np.pad(REAL, ((0, 0), (0, 5)))
    outputs = np.asarray(layer(longer, value_mask=real))[:, :T]
    np.testing.assert_allclose(outputs[REAL], np.asarray(expected)[REAL], atol=3e-6)
    half = layer(X, value_mask=REAL, query_mask=REAL)
    nothing = layer(X, value_mask=np.zeros_like(REAL))
    np.testing.assert_allclose(np.asarray(half)[~REAL], np.asarray(nothing)[~REAL], atol=3e-6)


def test_the_mask_of_an_embedding_reaches_self_attention(layer):
    embedding = keras.layers.Embedding(11, D, mask_zero=True)
    embedding.build((B, T))
    embedding.set_weights([random.normal(size=(11, D))])
    ids = np.where(REAL, random.integers(1, 11, (B, T)), 0)
    vectors = np.asarray(embedding(ids))
    expected = layer(vectors, query_mask=REAL, value_mask=REAL)
    np.testing.assert_allclose(keras.Sequential([embedding, layer])(ids), expected, atol=1e-6)
    assert np.abs(layer(vectors)[0] - expected[0]).max() > 1e-3


@pytest.mark.parametrize("length", [1, T, 2048])
def test_a_batch_may_have_no_rows(layer, length):
    if length > T and type(layer) is LinformerAttention:
        return  # it has a largest length
    assert layer(np.zeros((0, length, D), "float32")).shape == (0, length, D)


@pytest.mark.parametrize("causal", [False, True])
def test_a_sequence_may_have_no_positions(layer, causal):
    if causal and not layer.supports_causal_mask:
        return
    nothing = np.zeros((B, 0, D), "float32")
    assert layer(nothing, use_causal_mask=causal).shape == (B, 0, D)


def test_pairs_and_scores_mean_what_they_mean_in_dense_attention(variant, layer):
    pairs = random.random((B, T, T)) < 0.7
    if "scores" in variant.refuses:
        for arguments in ({"return_attention_scores": True}, {"attention_mask": pairs}):
            with pytest.raises(ValueError, match=next(iter(arguments))):
                layer(X, **arguments)
        return
    outputs, scores = layer(X, value_mask=REAL, return_attention_scores=True)
    np.testing.assert_allclose(outputs, layer(X, value_mask=REAL), atol=3e-6)
    assert scores.shape == (B, H, T, T) and not np.asarray(scores)[0, ..., T - 4 :].any()
    both, scores = layer(X, attention_mask=pairs, return_attention_scores=True)
    np.testing.assert_allclose(both, layer(X, attention_mask=pairs), atol=3e-6)
    hidden = np.broadcast_to(~pairs[:, None], scores.shape)
    assert np.asarray(scores).any() and not np.asarray(scores)[hidden].any()


def test_gradients_are_those_of_small_differences(variant, layer):
    """Along a random direction of the inputs and of all weights, in a central difference."""
    direction = random.normal(size=X.shape).astype("float32")
    steps = [random.normal(size=weight.shape) for weight in layer.trainable_weights]
    target = random.normal(size=X.shape).astype("float32")
    starts = [np.array(weight) for weight in layer.trainable_weights]

    def value(epsilon):
        for weight, start, step in zip(layer.trainable_weights, starts, steps, strict=True):
            weight.assign(start + epsilon * step)
        outputs = layer(X + np.float32(epsilon) * direction, value_mask=REAL)
        return float(np.sum(np.asarray(outputs, "float64") * target))

    difference = (value(1e-3) - value(-1e-3)) / 2e-3
    value(0.0)
    x = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(layer(x, value_mask=REAL) * target)
    sources = [x, *(weight.value for weight in layer.trainable_weights)]
    gradients = tape.gradient(loss, sources)
    slope = sum(
        float(np.sum(np.asarray(tf.convert_to_tensor(gradient), "float64") * step))
        for gradient, step in zip(gradients, [direction, *steps], strict=True)
    )
    np.testing.assert_allclose(slope, difference, rtol=3e-3, atol=3e-3)


def test_it_is_saved_and_loaded(layer, tmp_path):
    twin = type(layer).from_config(json.loads(json.dumps(layer.get_config())))
    assert json.dumps(twin.get_config()) == json.dumps(layer.get_config())
    symbol = keras.Input((None, D))
    model = keras.Model(symbol, twin(symbol))
    twin.set_weights(layer.get_weights())
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(X), twin(X), atol=1e-6)


def test_random_blocks_are_those_of_a_mask_and_do_not_depend_on_the_length():
    layer = make(VARIANTS["big_bird"], {"num_random": 2, "block_size": 1, "num_global": 0})
    pattern = np.asarray(layer._pattern(40, 40, False))
    jumps = {tuple(np.flatnonzero(row) - t) for t, row in enumerate(pattern)}
    assert len(jumps) > 20  # other distances for other blocks
    np.testing.assert_array_equal(layer._pattern(25, 25, False), pattern[:25, :25])
    x = random.normal(size=(B, 40, D)).astype("float32")
    dense = MultiHeadAttention(H, K)
    dense.build(x.shape)
    dense.set_weights(layer.get_weights())
    for causal in (False, True):
        allowed = np.asarray(layer._pattern(40, 40, causal))
        expected = dense(x, attention_mask=allowed, use_causal_mask=causal)
        np.testing.assert_allclose(layer(x, use_causal_mask=causal), expected, atol=3e-6)


def test_random_features_approach_the_softmax():
    dense = make(VARIANTS["multi_head"], {})
    errors = []
    for num_features in (32, 4096):
        layer = make(VARIANTS["performer"], {"num_features": num_features})
        layer.set_weights([layer.get_weights()[0], *dense.get_weights()])  # own weights first
        difference = np.asarray(layer(0.5 * X)) - np.asarray(dense(0.5 * X))
        errors.append(float(np.abs(difference).mean()))
    assert errors[1] < 0.2 * errors[0] and errors[1] < 0.01


@pytest.mark.parametrize("causal", [False, True])
def test_a_pattern_holds_in_long_sequences_that_have_few_blocks(causal, monkeypatch):
    monkeypatch.setattr(multi_head_attention, "LONG_SEQUENCE", T)
    layer = SparseAttention(H, K, pattern="strided", block_size=4, stride=2, num_global=0)
    layer.build(X.shape)
    assert layer._is_short(T, causal)
    blocks = np.arange(T) // 4
    apart = abs(blocks[:, None] - blocks)
    dense = MultiHeadAttention(H, K)
    dense.build(X.shape)
    dense.set_weights(layer.get_weights())
    allowed = (apart < 2) | (apart % 2 == 0)
    expected = dense(X, attention_mask=allowed, use_causal_mask=causal)
    assert np.abs(expected - dense(X, use_causal_mask=causal)).max() > 1e-3
    np.testing.assert_allclose(layer(X, use_causal_mask=causal), expected, atol=3e-6)


@pytest.mark.parametrize("layer_class", [LocalAttention, SparseAttention])
@pytest.mark.parametrize("lengths, rows", [((70, 50), 2), ((50, 70), 2), ((40, 20), 4)])
def test_blocks_refuse_keys_of_another_length_when_a_graph_runs(layer_class, lengths, rows):
    sizes = {"sliding_window": 3} if layer_class is LocalAttention else {"block_size": 2}
    layer = layer_class(2, 4, **sizes)
    layer.build((None, None, 8))
    run = tf.function(layer, input_signature=[tf.TensorSpec((None, None, 8))] * 2)
    query = np.random.default_rng(4).normal(size=(2, 90, 8)).astype("float32")
    np.testing.assert_allclose(run(query, query), layer(query, query), atol=1e-6)
    with pytest.raises(tf.errors.InvalidArgumentError):
        run(query[:, : lengths[0]], np.ones((rows, lengths[1], 8), "float32"))


@pytest.mark.parametrize("layer_class", [LocalAttention, SparseAttention])
def test_blocks_take_a_mask_of_pairs_for_any_number_of_rows(layer_class):
    sizes = {"sliding_window": 2} if layer_class is LocalAttention else {"block_size": 2}
    layer = layer_class(H, K, **sizes)
    x = random.normal(size=(B, 4 * 16 + T, D)).astype("float32")
    pairs = random.random((B, x.shape[1], x.shape[1])) < 0.7
    expected = layer(x, attention_mask=pairs)
    signature = [
        tf.TensorSpec([None, *x.shape[1:]]),
        tf.TensorSpec([None, *pairs.shape[1:]], tf.bool),
    ]
    graph = tf.function(lambda x, pairs: layer(x, attention_mask=pairs), input_signature=signature)
    np.testing.assert_allclose(graph(x, pairs), expected, atol=3e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("layer_class", [LinearAttention, PerformerAttention])
def test_sums_are_float32_in_half_precision_at_every_step(layer_class, policy):
    full, half = layer_class(H, K), layer_class(H, K, dtype=policy)
    for layer in (full, half):
        layer.build(X.shape)
    half.set_weights(full.get_weights())
    expected = full(X, use_causal_mask=True)
    whole = half(X, use_causal_mask=True)
    cache = half.empty_cache(B, T)._replace(kernels=half.fuse_projections(True))
    for t in range(T):
        output, cache = half(X[:, t : t + 1], cache=cache)
        assert output.dtype == whole.dtype == half.compute_dtype
        assert {one.dtype for one in cache.tensors.values()} == {tf.float32}
        for found in (output[:, 0], whole[:, t]):
            np.testing.assert_allclose(tf.cast(found, tf.float32), expected[:, t], atol=0.05)


def test_the_two_mixtures_of_a_linformer_start_from_different_numbers():
    layer = LinformerAttention(H, K, max_sequence_length=T, projected_length=5)
    layer.build(X.shape)
    assert np.abs(layer.key_projection - layer.value_projection).max() > 0.1


@pytest.mark.parametrize("layer_class", [LinearAttention, PerformerAttention])
def test_sums_work_in_float64(layer_class):
    layer = layer_class(H, K, dtype="float64")
    assert layer(X).dtype == "float64"


@pytest.mark.parametrize("seed", [None, -1, 0.5])
def test_random_blocks_must_be_the_same_in_every_call(seed):
    with pytest.raises(ValueError, match="`layout_seed` must be an integer"):
        SparseAttention(H, K, layout_seed=seed)


def test_random_features_serve_queries_far_larger_than_the_keys():
    """Their features underflow, unless each query's largest exponent is taken away."""
    layer, wide = PerformerAttention(1, 64, use_bias=False), 64
    inputs = random.normal(size=(1, 20, wide)).astype("float32")
    layer.build(inputs.shape)
    directions, eye = layer.get_weights()[0], np.eye(wide)
    split = eye.reshape(wide, 1, wide)
    layer.set_weights([directions, 6 * split, 0.05 * split, split, eye.reshape(1, wide, wide)])
    queries, keys = (scale * inputs[0].astype("float64") / wide**0.25 for scale in (6.0, 0.05))
    exponents = [
        x @ directions.T.astype("float64") - 0.5 * np.sum(x**2, axis=1, keepdims=True)
        for x in (queries, keys)
    ]
    assert np.exp(exponents[0]).max(axis=1).min() < 1e-45  # less than float32 can hold
    for causal in (False, True):
        weights = np.exp(exponents[0]) @ np.exp(exponents[1]).T
        weights = np.tril(weights) if causal else weights
        expected = weights / weights.sum(axis=1, keepdims=True) @ inputs[0]
        whole = layer(inputs, use_causal_mask=causal)
        np.testing.assert_allclose(whole[0], expected, atol=1e-4)
    cache = layer.empty_cache(1, 20)
    for t in range(20):
        output, cache = layer(inputs[:, t : t + 1], cache=cache)
        np.testing.assert_allclose(output[:, 0], whole[:, t], atol=1e-5)


class Exponentials(PerformerAttention):
    """A few lines that replace the random features."""

    def feature_map(self, heads):
        return tf.exp(heads)

    def num_features(self):
        return self.key_dim


def test_features_of_a_subclass_are_those_of_queries_and_of_keys():
    layer = Exponentials(1, D, use_bias=False)
    layer.build(X.shape)
    split = np.eye(D).reshape(D, 1, D)
    layer.set_weights([layer.get_weights()[0], split, split, split, np.eye(D)[None]])
    weights = np.exp(X) @ np.exp(X).transpose(0, 2, 1)
    expected = weights / weights.sum(-1, keepdims=True) @ X
    np.testing.assert_allclose(layer(X), expected, atol=3e-6)


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_a_model_of_it_trains_under_xla_and_is_exported_without(variant, policy, tmp_path):
    layer = variant.make()
    layer = type(layer).from_config({**layer.get_config(), "dtype": policy})
    symbol = keras.Input((None, D))
    masked = keras.layers.Masking()(symbol)
    model = keras.Model(symbol, keras.layers.Dense(1, dtype="float32")(layer(masked)))
    x = np.tile(np.where(REAL[..., None], X, 0.0), (4, 1, 1))
    model.compile(keras.optimizers.Adam(0.03), "mse", jit_compile=True)
    losses = model.fit(x, x[..., :1], epochs=25, batch_size=8, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]
    model.export(tmp_path / "1", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "1")
    tolerance = 1e-5 if policy == "float32" else 0.05
    np.testing.assert_allclose(loaded.serve(x), model(x), atol=tolerance)
    graph = loaded.signatures["serving_default"].graph.as_graph_def()
    names = {node.op for function in graph.library.function for node in function.node_def}
    assert len(names) > 5 and not [name for name in names if "Xla" in name or "PyFunc" in name]


def test_every_name_of_a_slot_is_a_variant():
    known = {name.split(",")[0] for name in VARIANTS}
    assert set(SLOTS["attention"]) <= known
    assert set(SLOTS["position"]) - {"sinusoidal", "learned"} <= known


def test_the_table_of_the_documentation_is_that_of_these_tests():
    text = (Path(__file__).parents[3] / "docs/attention.md").read_text(encoding="utf-8")
    assert table() in text, f"docs/attention.md should have this table:\n{table()}"
