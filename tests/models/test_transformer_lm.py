"""The language model: its formula, its search, its prompts, and that it learns."""

import itertools
import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from keras_attn.decoding import BeamSearch, GreedySearch, RandomSampling, search
from keras_attn.layers import CausalBlock
from keras_attn.models import CausalDecoder, TransformerLM
from tests.support import reference
from tests.support.seeds import seed_weights

B, T, V, D, H = 3, 7, 23, 12, 3
SIZES = {"hidden_dim": D, "intermediate_dim": 17, "num_heads": H, "num_layers": 2}
# 0 is padding; the prompts of a call are columns of these without it.
TOKEN_IDS = np.array(
    [[2, 5, 6, 7, 8, 9, 10], [11, 12, 13, 14, 15, 0, 0], [16, 17, 18, 19, 5, 6, 0]], "int32"
)
ROTARY = {"position": "rotary", "num_heads": 2}  # heads of an even size
ONE = {"num_layers": 1}  # the others show that the blocks of a step share a mask
VARIANTS = {
    "post-norm": {},
    "pre-norm, untied": {**ONE, "normalize_first": True, "tie_output": False},
    "window": {"attention": {"name": "multi_head", "sliding_window": 3}},
    "one key head": {**ONE, "attention": "multi_query"},
    "linear": {"attention": "linear"},
    "local": {**ONE, "attention": {"name": "local", "sliding_window": 3}},
    "strided": {**ONE, "attention": {"name": "strided", "block_size": 2, "stride": 2}},
    "learned": {**ONE, "position": "learned", "max_sequence_length": 9},
    "rotary": {**ROTARY, **ONE},
    "rotary, local": {**ROTARY, "attention": {"name": "local", "sliding_window": 3}},
    "relative_bias": {"position": "relative_bias"},
    "relative_embedding": {**ONE, "position": "relative_embedding"},
    "alibi": {**ONE, "position": "alibi"},
}


def make(**overrides):
    model = TransformerLM(**{"vocabulary_size": V, **SIZES, **overrides})
    model.build()
    random = np.random.default_rng(5)  # biases, norms and positions are not trivial
    model.set_weights([w + 0.2 * random.normal(size=w.shape) for w in model.get_weights()])
    return model


@pytest.fixture(params=VARIANTS, name="model", scope="module")
def any_variant(request):
    seed_weights(20170612)
    return make(**VARIANTS[request.param])


# The formula


def attend(x, w):
    total = w["self_attention/attention_output/bias"]
    causal = np.tril(np.ones((len(x), len(x)), bool))
    for h in range(H):
        query, key, value = (
            x @ w[f"self_attention/{name}/kernel"][:, h] + w[f"self_attention/{name}/bias"][h]
            for name in ("query", "key", "value")
        )
        head, _ = reference.attention(query, key, value, causal)
        total = total + head @ w["self_attention/attention_output/kernel"][h]
    return total


def feed_forward(x, w):
    x = np.maximum(
        x @ w["feed_forward/intermediate/kernel"] + w["feed_forward/intermediate/bias"], 0
    )
    return x @ w["feed_forward/output/kernel"] + w["feed_forward/output/bias"]


def norm(x, w, name):
    return reference.layer_norm(x, w[f"{name}/gamma"], w[f"{name}/beta"])


@pytest.mark.parametrize("normalize_first", [False, True])
def test_it_is_the_decoder_of_figure_1_without_its_middle(normalize_first):
    model = make(normalize_first=normalize_first)
    all_weights = {w.path.split("/", 2)[2]: np.asarray(w, "float64") for w in model.weights}
    embeddings = all_weights["token_embedding/embeddings"]
    for row, logits in zip(TOKEN_IDS, model(TOKEN_IDS), strict=True):
        x = embeddings[row] * np.sqrt(D)
        x = x + [[reference.sinusoid(t, d, D) for d in range(D)] for t in range(T)]
        for i in range(SIZES["num_layers"]):
            prefix = f"block_{i}/"
            w = {k.removeprefix(prefix): v for k, v in all_weights.items() if prefix in k}
            for name, sublayer in (("self_attention", attend), ("feed_forward", feed_forward)):
                normalization = f"{name}_residual/normalization"
                if normalize_first:
                    x = x + sublayer(norm(x, w, normalization), w)
                else:
                    x = norm(x + sublayer(x, w), w, normalization)
        if normalize_first:
            x = norm(x, all_weights, "final_normalization")
        np.testing.assert_allclose(logits, x @ embeddings.T, atol=2e-4)


def test_no_later_token_changes_an_earlier_logit(model):
    before = np.asarray(model(TOKEN_IDS))
    for t in (1, 4):
        changed = TOKEN_IDS.copy()
        changed[:, t:] = 20
        after = model(changed)
        np.testing.assert_allclose(after[:, :t], before[:, :t], atol=1e-5)
        assert np.abs(after[:, t] - before[:, t]).max() > 1e-3


def test_scores_are_distributions_over_the_past():
    scores = make(num_layers=4).attention_scores(TOKEN_IDS)
    assert set(scores) == {"decoder"} and scores["decoder"].shape == (B, 4, H, T, T)
    np.testing.assert_allclose(np.sum(scores["decoder"], -1), 1, atol=1e-5)
    assert np.all(np.triu(np.asarray(scores["decoder"]), 1) == 0)


# Step by step


@pytest.mark.parametrize("num_beams, prompt_length", [(None, 1), (1, 2)])
def test_a_prompt_and_steps_after_it_equal_the_whole_pass(model, num_beams, prompt_length):
    prompts, later = TOKEN_IDS[:, :prompt_length], TOKEN_IDS[:, prompt_length:]
    expected = np.asarray(model(TOKEN_IDS))
    state = model.start(prompts, max_length=T - prompt_length + 1, num_beams=num_beams)
    fed = np.full((B, 1), 2)  # the start token of a search
    for t in range(prompt_length - 1, 5):
        logits, state = model.decode_step(fed, state)
        np.testing.assert_allclose(logits, expected[:, t], atol=1e-5)
        fed = later[:, t + 1 - prompt_length : t + 2 - prompt_length]
    assert int(state["position"]) == 5


def test_a_hypothesis_keeps_its_own_past_when_it_changes_places(model):
    num_beams, random = 2, np.random.default_rng(5)
    prompts = TOKEN_IDS[:, :3]
    state = model.start(prompts, max_length=3, num_beams=num_beams)
    state["rows"] = tf.nest.map_structure(lambda x: tf.repeat(x, num_beams, axis=0), state["rows"])
    prefixes = np.repeat(prompts, num_beams, 0)
    for _ in range(3):
        logits, state = model.decode_step(prefixes[:, -1:], state)
        expected = model(np.pad(prefixes, ((0, 0), (0, 1))))[:, -2]
        np.testing.assert_allclose(logits, expected, atol=1e-5)
        parents = random.integers(0, num_beams, (B, num_beams))
        parents = (parents + num_beams * np.arange(B)[:, None]).ravel()
        state["rows"] = tf.nest.map_structure(lambda x: tf.gather(x, parents), state["rows"])  # noqa: B023
        new = random.integers(4, V, (B * num_beams, 1))
        prefixes = np.concatenate([prefixes[parents], new], axis=1)


def test_caches_have_room_for_the_prompt_and_the_new_tokens_only():
    state = make().start(TOKEN_IDS[:, :4], max_length=5, num_beams=2)
    lengths = {x.shape[2] for x in tf.nest.flatten(state["carried"])}
    assert lengths == {4 - 1 + 5} and state["rows"].caches.history.shape == (B, 8)


# Search


def best_sequences(model, prompt, length):
    """All sequences of at most `length` tokens that end with 3, best first, by whole passes."""
    found = []
    for n in range(length):
        middles = itertools.product([1, 4, 5], repeat=n)
        rows = np.array([[*prompt, *middle, 3] for middle in middles])
        logits = np.asarray(model(rows), "float64")[:, len(prompt) - 1 : -1]
        logs = np.log(reference.softmax(logits))
        for row, row_logs in zip(rows[:, len(prompt) :].tolist(), logs, strict=True):
            found.append((sum(row_logs[t, token] for t, token in enumerate(row)), row))
    return sorted(found, reverse=True)


@pytest.mark.parametrize("name", ["post-norm", "linear"])
@pytest.mark.parametrize("announced", [True, False])
def test_a_wide_beam_finds_the_best_of_all_sequences(name, announced):
    model = make(**VARIANTS[name], vocabulary_size=6)
    prompts = np.array([[4, 5, 1], [5, 5, 4]])
    beam = BeamSearch(num_beams=16, length_penalty=0.0, num_hypotheses=5)
    state = model.start(prompts, max_length=3, num_beams=16 if announced else None)
    result = search(model.decode_step, state, beam, max_length=3)
    for i, prompt in enumerate(prompts):
        expected = best_sequences(model, prompt, 3)[:5]
        found = [[one for one in row if one] for row in result.token_ids[i].numpy().tolist()]
        assert found == [row for _, row in expected]
        np.testing.assert_allclose(
            result.log_probabilities[i], [log for log, _ in expected], atol=2e-5
        )


@pytest.mark.parametrize("name", ["pre-norm, untied", "linear", "rotary, local"])
def test_greedy_search_takes_the_best_token_of_each_whole_pass(name):
    model, max_length = make(**VARIANTS[name]), 5
    state = model.start(TOKEN_IDS[:, 1:4], max_length, num_beams=1)
    result = search(model.decode_step, state, GreedySearch(min_length=4), max_length)
    prefixes = TOKEN_IDS[:, 1:4]
    for t in range(max_length - 1):
        logits = np.array(model(prefixes)[:, -1])
        logits[:, [0, 2, 3]] = -np.inf  # never produced, or not yet
        prefixes = np.concatenate([prefixes, logits.argmax(-1)[:, None]], axis=1)
        np.testing.assert_array_equal(result.token_ids[:, 0, t], prefixes[:, -1])


def test_samples_of_a_peaked_model_are_what_greedy_search_finds():
    model = make(tie_output=False)
    projection = model.decoder.output_projection.kernel
    projection.assign(projection * 100)
    found = [
        search(model.decode_step, model.start(TOKEN_IDS[:, :3], 4), strategy, 4).token_ids.numpy()
        for strategy in (RandomSampling(seed=3), "greedy")
    ]
    np.testing.assert_array_equal(*found)


class Continue(tf.Module):
    """A search from prompts whose number and length are known only when it runs."""

    def __init__(self, model, strategy):
        super().__init__()
        self.model, self.strategy = model, strategy

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32)])
    def __call__(self, prompts):
        state = self.model.start(prompts, max_length=4, num_beams=self.strategy.num_beams)
        return search(self.model.decode_step, state, self.strategy, 4).token_ids


@pytest.mark.parametrize("attention", ["multi_head", "linear"])
def test_a_saved_search_takes_prompts_of_any_length_without_xla(attention, tmp_path):
    model, beam = make(attention=attention, num_layers=1), BeamSearch(3, num_hypotheses=2)
    tf.saved_model.save(Continue(model, beam), str(tmp_path))
    saved = tf.saved_model.load(str(tmp_path))
    for length in (1, 4):
        prompts = tf.constant(TOKEN_IDS[:, :length])
        expected = search(model.decode_step, model.start(prompts, 4), beam, 4).token_ids
        np.testing.assert_array_equal(saved(prompts), expected)
    assert xla_operations(tmp_path) == []


def xla_operations(directory: Path):
    graph = SavedModel.FromString((directory / "saved_model.pb").read_bytes()).meta_graphs[0]
    functions = graph.graph_def.library.function
    nodes = [*graph.graph_def.node, *(node for one in functions for node in one.node_def)]
    assert {"MatMul", "StatefulPartitionedCall"} <= {node.op for node in nodes}
    return [node.op for node in nodes if "Xla" in node.op]


# Prompts and arguments that are refused


def test_prompts_that_are_empty_or_padded_are_refused():
    model = make()
    with pytest.raises(ValueError, match="without padding .*: 0 in a batch of shape"):
        model.start(TOKEN_IDS, max_length=3)
    with pytest.raises(ValueError, match="at least one token"):
        model.start(TOKEN_IDS[:, :0], max_length=3)
    with pytest.raises(ValueError, match="must be integers of shape"):
        model.start(TOKEN_IDS.astype("float32"), max_length=3)


@pytest.mark.parametrize("length", [1, 3])
def test_no_prompts_have_no_continuations(length):
    model = make(num_layers=1)
    state = model.start(np.zeros((0, length), "int32"), max_length=4)
    for strategy in ("greedy", "beam", "sampling"):
        assert search(model.decode_step, state, strategy, 4).token_ids.shape == (0, 1, 4)


def test_more_positions_than_were_learned_are_refused():
    model = make(**VARIANTS["learned"])
    assert model.max_sequence_length == 9
    model.start(TOKEN_IDS[:, :4], max_length=6)
    for too_many in (7, np.int64(7)):
        with pytest.raises(ValueError, match="max_length=7 after a prompt of 4 tokens"):
            model.start(TOKEN_IDS[:, :4], max_length=too_many)


def test_an_attention_that_cannot_be_causal_is_refused():
    with pytest.raises(ValueError, match="must be one that can be causal"):
        make(attention="linformer")


# Keras


@pytest.mark.parametrize("name", ["pre-norm, untied", "linear", "rotary, local", "learned"])
def test_it_saves_and_loads_with_identical_outputs(name, tmp_path):
    model = make(**VARIANTS[name])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(TOKEN_IDS), model(TOKEN_IDS))
    assert json.dumps(again.get_config()) == json.dumps(model.get_config())
    assert [w.path for w in again.weights] == [w.path for w in model.weights]


@pytest.mark.parametrize("part_class", [CausalDecoder, CausalBlock])
def test_its_parts_stand_alone_and_round_trip(part_class):
    sizes = dict(SIZES, vocabulary_size=V)
    if part_class is CausalBlock:
        sizes = {name: SIZES[name] for name in ("hidden_dim", "intermediate_dim", "num_heads")}
    part = part_class(**sizes)
    shape = (B, T, D if part_class is CausalBlock else V)
    assert part(np.ones((B, T, D)) if part_class is CausalBlock else TOKEN_IDS).shape == shape
    twin = part_class.from_config(json.loads(json.dumps(part.get_config())))
    assert json.dumps(twin.get_config()) == json.dumps(part.get_config())


def test_it_works_inside_a_functional_model():
    token_ids, lm = keras.Input((None,), dtype="int32"), make()
    model = keras.Model(token_ids, lm(token_ids))
    assert model.outputs[0].shape == (None, None, V)
    np.testing.assert_allclose(model(TOKEN_IDS), lm(TOKEN_IDS), atol=1e-6)


def test_it_exports_for_any_batch_without_xla(tmp_path):
    model = make()
    model.export(tmp_path, verbose=False)
    saved = tf.saved_model.load(str(tmp_path))
    for ids in (TOKEN_IDS, TOKEN_IDS[:2, :4]):
        np.testing.assert_allclose(saved.serve(tf.constant(ids)), model(ids), atol=1e-5)
    assert xla_operations(tmp_path) == []


def test_half_precision_keeps_float32_weights_and_stays_close_also_in_steps():
    full = make(num_layers=1)
    half = TransformerLM(**{"vocabulary_size": V, **SIZES, "num_layers": 1}, dtype="mixed_bfloat16")
    half.build()
    half.set_weights(full.get_weights())
    logits, expected = half(TOKEN_IDS), full(TOKEN_IDS)
    assert logits.dtype == tf.bfloat16 and all(w.dtype == "float32" for w in half.weights)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(tf.cast(logits, tf.float32), expected, atol=0.05 * scale)
    step, _ = half.decode_step(TOKEN_IDS[:, :1], half.start(TOKEN_IDS[:, :4], 3))
    np.testing.assert_allclose(tf.cast(step, tf.float32), expected[:, 3], atol=0.05 * scale)


@pytest.mark.parametrize("attention", ["linear", "performer"])
def test_half_precision_decodes_with_sums(attention):
    model = make(attention=attention, num_layers=1, dtype="mixed_float16")
    prompt = TOKEN_IDS[:, :4]
    for strategy, num_beams in (("greedy", None), (BeamSearch(2), 2)):
        state = model.start(prompt, 3, num_beams=num_beams)
        assert search(model.decode_step, state, strategy, 3).token_ids.shape[::2] == (B, 3)
    logits, _ = model.decode_step(prompt[:, :1], model.start(prompt, 3))
    expected = tf.cast(model(prompt)[:, -1], tf.float32)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(tf.cast(logits, tf.float32), expected, atol=0.02 * scale)


def arithmetic_sequences(random, count, length):
    """Residues of 7 that grow by a step; a start token before, an end token after them."""
    first, step = random.integers(0, 7, (count, 1)), random.integers(1, 4, (count, 1))
    residues = (first + step * np.arange(length)) % 7
    edge = np.full((count, 1), 2)
    return np.concatenate([edge, residues + 4, edge + 1], axis=1)


@pytest.mark.slow
def test_it_learns_to_continue_sequences_by_fit_and_xla():
    keras.utils.set_random_seed(3)
    random, length = np.random.default_rng(3), 8
    model = TransformerLM(
        11, hidden_dim=32, intermediate_dim=64, num_heads=2, num_layers=1, dropout=0.0,
        normalize_first=True,
    )  # fmt: skip
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0)
    model.compile(keras.optimizers.Adam(5e-3), loss, jit_compile=True)
    ids = arithmetic_sequences(random, 64 * 150, length)
    model.fit(ids[:, :-1], ids[:, 1:], batch_size=64, verbose=0)
    fresh = arithmetic_sequences(random, 21, length)
    state = model.start(fresh[:, :4], max_length=6, num_beams=4)  # the start, and three residues
    found = search(model.decode_step, state, BeamSearch(num_beams=4), 6).token_ids[:, 0]
    assert np.mean(np.all(found == fresh[:, 4:], axis=1)) > 0.9
