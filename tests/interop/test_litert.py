"""An export for LiteRT is the same translator: texts, scores, limits and n-best are equal."""

import json

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from keras_attn.data import CharacterTokenizer, WordTokenizer
from keras_attn.decoding import BeamSearch, GreedySearch, RandomSampling
from keras_attn.decoding.search_rules import SearchRules
from keras_attn.edge import EdgeTranslator, edge_model
from keras_attn.edge.litert_graph import LiteRTGraph
from keras_attn.interop import LiteRTMismatchError, export_litert
from keras_attn.interop import litert as litert_module
from keras_attn.interop.litert_graphs import convert, encoder_graph, litert_model
from keras_attn.interop.litert_layers import PositionTable
from keras_attn.layers import FeedForward, MultiHeadAttention, SinusoidalPositionEncoding
from keras_attn.models import Transformer
from keras_attn.translator import Translator
from tests.interop.interop_models import (
    AnotherAttention,
    AnotherFeedForward,
    AnotherPosition,
    AnotherTransformer,
    make_model,
)

LETTERS = "abcdefghijklmnopq"
LINES = ["a", "gfedcb", "", "jihgfedcba", "ccc", "kb", "aaaaabbb", "qponm", "e\tk?h", "bdfhjlnpq"]
LINES += ["abcdefghijklmnopqabcdefg", "x"]
WIDE = BeamSearch(4, num_hypotheses=3)
# What differs from the paper's model, the search, and a seed for which translations of several
# lengths end by themselves.
CASES = {
    "other heads in the decoder": ({"decoder_attention": MultiHeadAttention(2, 6)}, WIDE, 0),
}
MORE_CASES = {
    "pre-norm, greedy": ({"normalize_first": True}, GreedySearch(), 2),
    "learned positions, long ones first": (
        {"position": "learned", "max_sequence_length": 37},
        BeamSearch(3, length_penalty=-0.7, num_hypotheses=2, min_length=2),
        0,
    ),
    "gelu": ({"activation": "gelu"}, WIDE, 2),
    "untied": ({"tie_output": False}, WIDE, 3),
    "rms norm": ({"normalization": "rms_norm"}, WIDE, 7),
    "output bias": ({"use_output_bias": True}, WIDE, 40),
    "no biases, other heads": (
        {
            "attention": MultiHeadAttention(2, 6, use_bias=False),
            "feed_forward": FeedForward(17, use_bias=False),
        },
        WIDE,
        3,
    ),
    "no positions": ({"position": None}, WIDE, 0),
    "half precision": ({"dtype": "mixed_bfloat16"}, GreedySearch(), 0),
}


def make(overrides=None, decoding=None, seed=2, **settings):
    settings = {"max_source_tokens": 13, "max_extra_tokens": 20, **settings}
    model = make_model(seed, **(overrides or {}))
    tokenizer = CharacterTokenizer(list(LETTERS))
    return Translator(model, tokenizer, decoding=decoding or WIDE, jit_compile=False, **settings)


def check_equal(found, wanted):
    assert [one.text for one in found] == [one.text for one in wanted]
    for one, other in zip(found, wanted, strict=True):
        assert one.tokens == other.tokens
        assert one.source_tokens == other.source_tokens
        assert one.truncated == other.truncated
        np.testing.assert_allclose(one.score, other.score, atol=1e-4)
        np.testing.assert_allclose(one.log_probability, other.log_probability, atol=1e-4)
        check_equal(one.alternatives, other.alternatives)


@pytest.mark.parametrize(
    "name", [*CASES, *(pytest.param(name, marks=pytest.mark.slow) for name in MORE_CASES)]
)
def test_it_translates_as_the_translator(tmp_path, name):
    overrides, decoding, seed = (CASES | MORE_CASES)[name]
    translator = make(overrides, decoding, seed)
    edge = EdgeTranslator(export_litert(translator, tmp_path / "litert"), num_threads=1)
    wanted = translator.translate_detailed(LINES)
    assert len({len(one.tokens) for one in wanted}) > 3  # else the search was never tested
    if overrides.get("dtype"):  # the export computes in float32
        translator = make({**overrides, "dtype": "float32"}, decoding, seed)
        wanted = translator.translate_detailed(LINES)
    check_equal(edge.translate_detailed(LINES), wanted)
    assert edge.report == translator.report
    assert edge.translate(["gfedcb"]) == translator.translate(["gfedcb"])


def test_an_activation_with_a_gradient_of_its_own_can_be_written(tmp_path):
    sizes = {"num_layers": 1, "num_decoder_layers": 1}
    function = encoder_graph(litert_model(make_model(2, activation="silu", **sizes), longest=9))
    path = tmp_path / "encoder.tflite"
    path.write_bytes(convert(function))
    graph, token_ids = LiteRTGraph(path), [[5, 7, 4, 3, 0]]
    graph.resize({"token_ids": (1, 5)})
    graph.inputs["token_ids"][:] = token_ids
    wanted = function(token_ids=tf.constant(token_ids))
    assert set(graph.run()) == set(wanted)
    for name, value in wanted.items():
        np.testing.assert_allclose(graph.outputs[name], value, atol=1e-5)


def test_a_line_may_have_a_token_for_every_position(tmp_path, monkeypatch):
    lengths = []

    class Graph(LiteRTGraph):
        def resize(self, shapes):
            lengths.extend(shape[1] for name, shape in shapes.items() if name == "token_ids")
            super().resize(shapes)

    monkeypatch.setattr(edge_model, "LiteRTGraph", Graph)
    overrides = {"position": "learned", "max_sequence_length": 13, "num_decoder_layers": 1}
    translator = make(overrides, GreedySearch(), seed=0)  # sources are padded to 8, 16 ...
    edge = EdgeTranslator(export_litert(translator, tmp_path / "litert", texts=()))
    lines = [LETTERS[:length] for length in (11, 12, 13)]
    check_equal(edge.translate_detailed(lines), translator.translate_detailed(lines))
    assert max(lengths) == 13


@pytest.mark.parametrize("start", [0, 5])
def test_padding_beyond_the_last_position_is_no_error(start):
    table = PositionTable(SinusoidalPositionEncoding(), longest=7)
    found = np.asarray(table(np.zeros((1, 9, 6), "float32"), start_index=start))
    angles = np.arange(start, 7)[:, np.newaxis] / 10000.0 ** (np.arange(0, 6, 2) / 6)
    np.testing.assert_allclose(found[0, : 7 - start, 0], np.sin(angles)[:, 0], atol=1e-6)
    assert found.shape == (1, 9, 6) and np.isfinite(found).all()


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    translator = make(batch_tokens=40)
    directory = tmp_path_factory.mktemp("litert") / "model"
    return translator, export_litert(translator, directory)


def test_the_papers_model_translates_as_the_translator(exported):
    translator, directory = exported
    edge, wanted = EdgeTranslator(directory), translator.translate_detailed(LINES)
    assert len({len(one.tokens) for one in wanted}) > 3  # else the search was never tested
    check_equal(edge.translate_detailed(LINES), wanted)
    assert edge.report == translator.report
    assert edge.translate(["gfedcb"]) == translator.translate(["gfedcb"])


def test_batches_and_threads_change_nothing(exported):
    translator, directory = exported
    lines = [LETTERS[i % 17 : i % 17 + 1 + i % 11] for i in range(60)]
    wanted = translator.translate_detailed(lines)
    for num_threads in (1, 3):
        check_equal(EdgeTranslator(directory, num_threads).translate_detailed(lines), wanted)


def test_expected_translations_are_written_down(exported):
    translator, directory = exported
    record = json.loads((directory / "expected.json").read_text(encoding="utf-8"))
    wanted = translator.translate([one["source"] for one in record])
    assert [one["translation"] for one in record] == wanted


@pytest.mark.slow
def test_eight_bits_are_smaller_and_nearly_the_same(exported, tmp_path):
    translator, directory = exported
    small = export_litert(translator, tmp_path / "int8", "int8")
    scores = [one.log_probability for one in EdgeTranslator(small).translate_detailed(["gfedcb"])]
    wanted = [one.log_probability for one in translator.translate_detailed(["gfedcb"])]
    np.testing.assert_allclose(scores, wanted, atol=1.0)
    assert json.loads((small / "litert.json").read_text())["quantize"] == "int8"


def test_eight_bits_do_not_spoil_a_minimum_length():
    vocabulary_size = 1000  # smaller constants are never quantized

    @tf.function(autograph=False)
    def bias(*, step):
        rules = SearchRules(tf.constant([9]), start_token_id=2, end_token_id=3)
        return {"bias": rules.token_bias(vocabulary_size, step[0], min_length=5)}

    function = bias.get_concrete_function(step=tf.TensorSpec((1,), tf.int32))
    run = Interpreter(model_content=convert(function, "int8")).get_signature_runner()
    for step, forbidden in ((4, [0, 2, 3]), (5, [0, 2])):
        found = run(step=np.array([step], np.int32))["bias"]
        assert np.flatnonzero(found < -1e38).tolist() == forbidden  # -inf becomes -3.4e38
        assert np.count_nonzero(found) == len(forbidden)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"attention": AnotherAttention(3, 4)}, "attention=AnotherAttention"),
        ({"attention": MultiHeadAttention(3, 4, sliding_window=2)}, "sliding_window=2"),
        ({"attention": MultiHeadAttention(3, 4, num_key_value_heads=1)}, "num_key_value_heads=1"),
        ({"position": AnotherPosition()}, "position=AnotherPosition"),
        ({"feed_forward": AnotherFeedForward(17)}, "feed_forward=AnotherFeedForward"),
    ],
)
def test_other_layers_are_refused(tmp_path, overrides, message):
    with pytest.raises(ValueError, match=message):
        export_litert(make(overrides), tmp_path / "litert")
    assert not any(tmp_path.iterdir())


def test_other_models_and_searches_are_refused(tmp_path):
    translator = make()
    translator.model = AnotherTransformer.from_config(translator.model.get_config())
    with pytest.raises(ValueError, match="model=AnotherTransformer"):
        export_litert(translator, tmp_path / "litert")
    with pytest.raises(ValueError, match="GreedySearch or a BeamSearch"):
        export_litert(make(decoding=RandomSampling()), tmp_path / "litert")
    with pytest.raises(ValueError, match="`quantize` must be"):
        export_litert(make(), tmp_path / "litert", "int4")
    (tmp_path / "full").write_text("")
    with pytest.raises(ValueError, match="new or empty"):
        export_litert(make(), tmp_path)


@pytest.fixture(name="other_weights")
def an_export_with_other_weights(monkeypatch):
    def with_other_weights(model, longest):
        return original(make_model(seed=17, num_layers=1, num_decoder_layers=1), longest)

    original = litert_module.litert_model
    monkeypatch.setattr(litert_module, "litert_model", with_other_weights)


@pytest.mark.slow
def test_an_export_that_translates_otherwise_is_not_written(tmp_path, other_weights):
    with pytest.raises(LiteRTMismatchError, match="must translate as the translator does"):
        export_litert(make(), tmp_path / "litert", texts=["gfedcb", "jihg"])
    assert not any(tmp_path.iterdir())


def test_a_translator_in_half_precision_may_translate_otherwise(tmp_path, other_weights):
    sizes = {"num_layers": 1, "num_decoder_layers": 1}
    translator = make({"dtype": "mixed_bfloat16", **sizes}, GreedySearch())
    directory = export_litert(translator, tmp_path / "litert", texts=["gfedcb", "jihg"])
    (record, _) = json.loads((directory / "expected.json").read_text(encoding="utf-8"))
    assert record["translation"] != translator.translate(["gfedcb"])[0]


@pytest.mark.slow
def test_two_vocabularies(tmp_path):
    model = make_model(17, target_vocabulary_size=29)
    tokenizers = CharacterTokenizer(list(LETTERS)), WordTokenizer([f"w{i}" for i in range(22)])
    translator = Translator(model, *tokenizers, WIDE, 13, 20, jit_compile=False)
    edge = EdgeTranslator(export_litert(translator, tmp_path / "litert"))
    check_equal(edge.translate_detailed(LINES), translator.translate_detailed(LINES))


def test_the_model_itself_is_left_as_it_was(exported):
    translator, _ = exported
    assert type(translator.model) is Transformer
    assert type(translator.model.decoder.blocks[0].self_attention) is MultiHeadAttention
