"""The loop gives one result, however it is run, and does no work that it need not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from keras_attn.decoding import (
    UNUSED_SCORE,
    BeamSearch,
    GreedySearch,
    RandomSampling,
    SearchResult,
    search,
)
from tests.decoding.toy_models import (
    END,
    ToyModels,
    check_result,
    fixed_state,
    fixed_step,
    hypotheses_of,
    log_of,
    toy_decode_step,
    toy_state,
)

STRATEGIES = [
    GreedySearch(min_length=1),
    BeamSearch(num_beams=3, num_hypotheses=2),
    RandomSampling(top_k=4, top_p=0.9, seed=3),
    RandomSampling(temperature=0.8),
]
MAX_LENGTH = 7


@pytest.fixture(scope="module")
def models() -> ToyModels:
    return ToyModels(num_models=22, vocabulary_size=8, seed=21)


@pytest.fixture(scope="module")
def limits(models: ToyModels) -> tf.Tensor:
    return tf.constant([1 + row % MAX_LENGTH for row in range(len(models))])


class Searcher(tf.Module):
    """A search whose sizes, and even `max_length`, are known only when it runs."""

    def __init__(self, strategy) -> None:
        super().__init__()
        self.strategy = strategy

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, None, None], tf.float32),
            tf.TensorSpec([None, None, None], tf.float32),
            tf.TensorSpec([None, None], tf.float32),
            tf.TensorSpec([None], tf.int32),
            tf.TensorSpec([], tf.int32),
        ]
    )
    def __call__(self, tables, by_count, by_position, limits, max_length) -> dict:
        state = toy_state(tables, by_count, by_position)
        result = search(toy_decode_step, state, self.strategy, max_length, limits)
        return result._asdict()


def assert_same(result: SearchResult | dict, expected: SearchResult) -> None:
    result = result if isinstance(result, SearchResult) else SearchResult(**result)
    np.testing.assert_array_equal(result.token_ids, expected.token_ids)
    np.testing.assert_array_equal(result.truncated, expected.truncated)
    for name in ("log_probabilities", "scores"):
        found, wanted = getattr(result, name), getattr(expected, name)
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("strategy", STRATEGIES, ids=repr)
def test_eager_graph_saved_model_and_xla_agree(
    models: ToyModels, limits: tf.Tensor, strategy, tmp_path: Path
) -> None:
    eager = search(toy_decode_step, models.state(), strategy, MAX_LENGTH, limits)
    check_result(
        models,
        eager,
        limits.numpy().tolist(),
        alpha=getattr(strategy, "length_penalty", None),
        min_length=strategy.min_length,
    )
    tables = (models.tables, models.by_count, models.by_position)

    @tf.function(jit_compile=True)
    def compiled(*tables: tf.Tensor) -> SearchResult:
        return search(toy_decode_step, toy_state(*tables), strategy, MAX_LENGTH, limits)

    assert_same(compiled(*map(tf.constant, tables)), eager)

    searcher = Searcher(strategy)
    assert_same(searcher(*tables, limits, MAX_LENGTH), eager)
    tf.saved_model.save(searcher, str(tmp_path))
    assert_same(tf.saved_model.load(str(tmp_path))(*tables, limits, MAX_LENGTH), eager)
    operations = operations_in(tmp_path / "saved_model.pb")
    assert "TopKV2" in operations and operations & {"While", "StatelessWhile"}
    assert [name for name in operations if "Xla" in name or "PyFunc" in name] == []


def operations_in(path: Path) -> set[str]:
    """What a SavedModel asks of its server: operations, and attributes of functions, by name."""
    graph = SavedModel.FromString(path.read_bytes()).meta_graphs[0].graph_def
    functions = graph.library.function
    nodes = [*graph.node, *(node for function in functions for node in function.node_def)]
    compiled = {
        name
        for holder in [*functions, *nodes]
        for name, value in holder.attr.items()
        if name == "_XlaMustCompile" and value.b
    }
    return {node.op for node in nodes} | compiled


@pytest.mark.parametrize("strategy", STRATEGIES[:2], ids=repr)
def test_a_batch_of_one_gives_what_a_batch_of_many_gives(
    models: ToyModels, limits: tf.Tensor, strategy
) -> None:
    many = search(toy_decode_step, models.state(), strategy, MAX_LENGTH, limits)
    for row in range(len(models)):
        alone = slice(row, row + 1)
        one = search(toy_decode_step, models.state(alone), strategy, MAX_LENGTH, limits[alone])
        assert_same(one, SearchResult(*(values[alone] for values in many)))


def test_no_limits_means_the_greatest_length_and_limits_are_clipped(models: ToyModels) -> None:
    def run(limits) -> SearchResult:
        return search(toy_decode_step, models.state(), BeamSearch(3), 5, limits)

    unlimited = run(None)
    assert unlimited.token_ids.shape == (len(models), 1, 5)
    assert_same(run([5] * len(models)), unlimited)
    assert_same(run(np.full(len(models), 99, np.int64)), unlimited)
    assert_same(run([0] * len(models)), run([1] * len(models)))


@pytest.mark.parametrize("strategy", ["greedy", "beam", "sampling"])
@pytest.mark.parametrize("wrap", [lambda function: function, tf.function], ids=["eager", "graph"])
def test_the_loop_ends_with_the_last_sentence(strategy: str, wrap: Callable) -> None:
    # The first sentence ends after two tokens, the second after four; fifty are allowed.
    steps = tf.Variable(0)
    last = tf.constant([1, 3])

    def decode_step(token_ids: tf.Tensor, state: dict) -> tuple[tf.Tensor, dict]:
        steps.assign_add(1)
        ends = tf.repeat(state["position"] >= last, tf.shape(token_ids)[0] // 2)[:, None]
        logits = tf.where(ends, log_of({END: 1.0}, 6), log_of({5: 1.0}, 6))
        return logits, {**state, "position": state["position"] + 1}

    @wrap
    def run() -> tf.Tensor:
        return search(decode_step, fixed_state(2), strategy, max_length=50).token_ids

    token_ids = run().numpy()[:, 0]
    assert token_ids[0, :3].tolist() == [5, END, 0] and token_ids[1, :5].tolist() == [
        5,
        5,
        5,
        END,
        0,
    ]
    assert steps.numpy() == 4


@pytest.mark.parametrize(
    ("arguments", "end", "limit", "expected_steps"),
    [
        # One finished with log 0.9; the best alive has log 0.1 and can only fall: done at once.
        ({"length_penalty": 0.0}, 0.9, 50, 1),
        # Two are asked for: the second ends at the second step.
        ({"length_penalty": 0.0, "num_hypotheses": 2}, 0.9, 50, 2),
        # log 0.7 = -0.357 against log 0.3 / lp(50) = -0.131: not yet. Limit 2: -1.032, done.
        ({"length_penalty": 1.0}, 0.7, 50, 2),
        ({"length_penalty": 1.0}, 0.7, 2, 1),
        # Alpha -0.5. log 0.478 = -0.738 against log 0.522 / lp(2) = -0.702: not yet.
        ({"length_penalty": -0.5}, 0.478, 50, 2),
        # log 0.490 = -0.713 against log 0.510 / lp(2) = -0.727: done.
        ({"length_penalty": -0.5}, 0.49, 50, 1),
    ],
)
def test_a_beam_stops_as_soon_as_nothing_can_beat_what_it_has(
    arguments: dict, end: float, limit: int, expected_steps: int
) -> None:
    logits = [log_of({END: end, 4: 1 - end}, 5)]
    fed = []

    def decode_step(token_ids: tf.Tensor, state: dict) -> tuple[tf.Tensor, dict]:
        fed.append(token_ids)
        return fixed_step(logits)(token_ids, state)

    strategy = BeamSearch(num_beams=2, **arguments)
    search(decode_step, fixed_state(1), strategy, 50, [limit])
    assert len(fed) == expected_steps


def test_the_source_is_passed_as_it_is_and_the_rows_once_for_each_beam() -> None:
    source = {"encoded": tf.ones([3, 5, 2]), "lengths": [tf.constant([5, 4, 5])]}
    rows = [tf.constant([10.0, 20.0, 30.0])]
    seen = []

    def decode_step(token_ids: tf.Tensor, state: dict) -> tuple[tf.Tensor, dict]:
        seen.append(state)
        return tf.zeros([token_ids.shape[0], 6]), state

    search(decode_step, {"source": source, "rows": rows, "position": 0}, BeamSearch(2), 3)
    assert seen[0]["source"] is source and seen[-1]["source"] is source
    assert seen[0]["rows"][0].numpy().tolist() == [10, 10, 20, 20, 30, 30]


def test_an_empty_batch_gives_an_empty_result() -> None:
    models = ToyModels(num_models=1, vocabulary_size=6, seed=1)
    for strategy in STRATEGIES:
        result = search(toy_decode_step, models.state(slice(0, 0)), strategy, 4)
        num_hypotheses = strategy.num_hypotheses
        assert result.token_ids.shape == (0, num_hypotheses, 4)
        assert result.scores.shape == (0, num_hypotheses)


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
@pytest.mark.parametrize("strategy", STRATEGIES[:3], ids=repr)
def test_half_precision_logits_are_added_up_in_float32(dtype: tf.DType, strategy) -> None:
    # Values that both half types hold exactly; the sum of 40 of them needs more digits than 8.
    logits = np.linspace(-3.0, 0.9375, 64, dtype=np.float32)[None]  # steps of 1/16
    step = fixed_step(tf.cast(logits, dtype))
    result = search(step, fixed_state(1), strategy, max_length=40)
    tokens = hypotheses_of(result, 0)[0]
    exact = logits[0].astype(np.float64)
    log_probabilities = exact - np.log(np.exp(exact).sum())
    assert result.log_probabilities.dtype == result.scores.dtype == tf.float32
    expected = sum(log_probabilities[token] for token in tokens)
    np.testing.assert_allclose(result.log_probabilities[0, 0], expected, rtol=2e-6)


@pytest.mark.parametrize("strategy", STRATEGIES, ids=repr)
def test_no_result_is_ever_nan(strategy) -> None:
    # NaN at the second step for the first sentence; the second one rules out the end (-inf).
    impossible_end = tf.tensor_scatter_nd_update(tf.zeros([6]), [[END]], [-np.inf])

    def decode_step(token_ids: tf.Tensor, state: dict) -> tuple[tf.Tensor, dict]:
        broken = tf.fill([6], np.float32(np.nan if state["position"] == 1 else 0.0))
        beams = token_ids.shape[0] // 2
        logits = tf.repeat(tf.stack([broken, impossible_end]), beams, axis=0)
        return logits, {**state, "position": state["position"] + 1}

    rules_out_the_end_at_first = type(strategy)(**{**strategy.get_config(), "min_length": 1})
    result = search(decode_step, fixed_state(2), rules_out_the_end_at_first, max_length=4)
    assert not np.isnan(result.scores).any() and not np.isnan(result.log_probabilities).any()
    assert set(hypotheses_of(result, 0)) == {()}
    assert np.all(result.scores[0] == UNUSED_SCORE)
    best = hypotheses_of(result, 1)[0]
    assert len(best) == 4 and best[-1] == END
    assert bool(result.truncated[1, 0])


@pytest.mark.parametrize("jit_compile", [False, True])
def test_nan_drops_its_own_hypothesis_and_no_other(jit_compile: bool) -> None:
    table = np.zeros((6, 6), np.float32)  # logits by the last token
    table[2] = log_of({4: 0.6, 5: 0.4}, 6)
    table[4] = np.nan
    table[5] = log_of({END: 0.9, 1: 0.1}, 6)

    def decode_step(token_ids: tf.Tensor, state: dict) -> tuple[tf.Tensor, dict]:
        return tf.gather(table, token_ids[:, 0]), state

    @tf.function(jit_compile=jit_compile)
    def run() -> SearchResult:
        return search(decode_step, fixed_state(1), BeamSearch(2), max_length=3)

    result = run()
    assert hypotheses_of(result, 0) == [(5, END)]
    np.testing.assert_allclose(result.log_probabilities, [[np.log(0.4 * 0.9)]], rtol=1e-5)


def test_wrong_arguments_are_refused() -> None:
    def run(step=None, state=None, **changes):
        step = step or fixed_step([[0.0] * 6])
        arguments = {"strategy": "greedy", "max_length": 4, **changes}
        return search(step, state or fixed_state(1), **arguments)

    cases = [
        (dict(max_length=0), "`max_length` must be an integer of at least 1"),
        (dict(max_length=2.5), "`max_length`"),
        (dict(length_limits=[3, 4]), "`length_limits` must hold one number for each sentence"),
        (dict(length_limits=[[3]]), "`length_limits`"),
        (dict(strategy="bean"), "Did you mean 'beam'"),
        (dict(start_token_id=3), "`start_token_id` and `end_token_id` must differ"),
        (dict(end_token_id=0), "`end_token_id` must be an integer of at least 1"),
        (dict(end_token_id=6), "must be in the vocabulary"),
        (dict(state={"rows": tf.zeros([1])}), "`state` must be a dict with the keys"),
        (dict(state={"source": (), "rows": (), "position": 0}), "Received: none"),
        (dict(state={"source": (), "rows": 3.0, "position": 0}), "Received: a scalar"),
        (dict(step=lambda ids, state: (tf.zeros([1, 1, 6]), state)), "logits of shape"),
        (
            dict(step=lambda ids, state: (tf.zeros([1, 6]), {**state, "rows": [tf.zeros([1, 1])]})),
            "`decode_step` must return a state of the structure",
        ),
        (
            dict(step=lambda ids, state: (tf.zeros([1, 6]), {**state, "rows": tf.zeros([1, 2])})),
            "`decode_step` must return a state of the structure and the shapes",
        ),
    ]
    for changes, message in cases:
        with pytest.raises(ValueError) as error:
            run(**changes)
        assert message in str(error.value), changes
