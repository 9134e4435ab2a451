"""A converted model is the same model: CTranslate2 gives the tokens and scores that ours gives."""

import itertools
import json
import os
import sys

import ctranslate2
import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attn.data import Tokenizer
from keras_attn.decoding import BeamSearch, GreedySearch
from keras_attn.interop import ctranslate2_spec, export_ctranslate2
from keras_attn.layers import FeedForward, MultiHeadAttention, SinusoidalPositionEncoding
from keras_attn.models import Transformer
from keras_attn.translator import Translator
from tests.interop.interop_models import (
    SIZES,
    AnotherAttention,
    AnotherFeedForward,
    AnotherPosition,
    AnotherTransformer,
    make_model,
)
from tests.support.eager_functions import eager_functions

LIMIT = 20  # tokens
LINES = ["a", "gfedcb", "jihgfedcba", "ccc", "kb", "aaaaabbb", "qponm", "ehkh", "bdfhjlnpq"]

VARIANTS = {
    "paper": {},
    "pre-norm": {"normalize_first": True},
    "learned positions": {"position": "learned", "max_sequence_length": 37},
    "gelu": {"activation": "gelu"},
    "untied": {"tie_output": False},
    "two vocabularies": {"target_vocabulary_size": 29},
    "rms norm": {"normalization": "rms_norm"},
    "output bias": {"use_output_bias": True},
}
# Found by trying 0, 1, ... until translations of several lengths end by themselves.
SEEDS = {
    "paper": 2,
    "pre-norm": 152,
    "learned positions": 2,
    "gelu": 1,
    "untied": 5,
    "two vocabularies": 12,
    "rms norm": 80,
    "output bias": 1,
}
# That there are several layers, each in its place, the paper's model shows.
FEW_LAYERS = {"num_layers": 1, "num_decoder_layers": 2}
# Other numbers in the same computation: what they score is proof enough.
SCORED_VARIANTS = VARIANTS | {
    "other wavelengths": {"position": SinusoidalPositionEncoding(max_wavelength=50.0)},
    "silu": {"activation": "silu"},
    "tanh": {"activation": "tanh"},
    "rms norm, pre-norm": {"normalization": "rms_norm", "normalize_first": True},
    "epsilon": {"normalization": keras.layers.LayerNormalization(epsilon=0.3)},
    "no biases": {
        "attention": MultiHeadAttention(3, 4, use_bias=False),
        "feed_forward": FeedForward(17, use_bias=False),
    },
    "heads of the slot": {"attention": MultiHeadAttention(2, 6)},
    "other heads in the decoder": {"decoder_attention": MultiHeadAttention(2, 6)},
    "untied, output bias": {"tie_output": False, "use_output_bias": True},
}


class LetterTokenizer(Tokenizer):
    """Letters one after the other in the alphabet."""

    def __init__(self, first="a", count=17):
        super().__init__(name="letter_tokenizer")
        self.first = ord(first) - 4
        self.vocabulary_size = 4 + count

    def pieces(self, token_ids):
        special = ("<pad>", "<unk>", "<s>", "</s>")
        known = [i if i < self.vocabulary_size else 1 for i in map(int, token_ids)]
        return [special[i] if i < 4 else chr(self.first + i) for i in known]

    def _tokenize_batch(self, texts):
        return tf.strings.unicode_decode(texts, "UTF-8") - self.first

    def _detokenize_batch(self, token_ids):
        return tf.strings.unicode_encode(token_ids + self.first, "UTF-8")

    def _files(self):
        return {}

    @classmethod
    def _from_files(cls, files):
        return cls()


class TwiceTokenizer(LetterTokenizer):
    """Calls two of its tokens the same."""

    def pieces(self, token_ids):
        return ["c" if piece == "d" else piece for piece in super().pieces(token_ids)]


class OtherwiseTokenizer(LetterTokenizer):
    """Has names of its own for the special tokens."""

    def pieces(self, token_ids):
        return [piece.replace("<", "[").replace(">", "]") for piece in super().pieces(token_ids)]


def approximate_gelu(inputs):
    return keras.activations.gelu(inputs, approximate=True)


approximate_gelu.__name__ = "gelu"
keras.saving.register_keras_serializable(package="tests")(approximate_gelu)


def make(model=None, decoding=None, target_tokenizer=None, **settings):
    settings = {"max_source_tokens": 13, "max_extra_tokens": LIMIT, **settings}
    model = model or make_model()
    return Translator(
        model, LetterTokenizer(), target_tokenizer, decoding, jit_compile=False, **settings
    )


def make_variant(name, seed=0):
    overrides = SCORED_VARIANTS[name]
    return make_model(seed, **(overrides if name == "paper" else {**FEW_LAYERS, **overrides}))


def target_tokenizer_of(overrides):
    return LetterTokenizer("A", 22) if "target_vocabulary_size" in overrides else None


def load(directory, compute_type="float32"):
    return ctranslate2.Translator(
        str(directory), compute_type=compute_type, inter_threads=1, intra_threads=1
    )


def translate(engine, lines, beam_size):
    """CTranslate2's best hypotheses, (tokens, score), under the rules of our searches."""
    results = engine.translate_batch(
        [list(line) for line in lines],
        beam_size=beam_size,
        length_penalty=0,
        min_decoding_length=0,
        max_decoding_length=LIMIT,
        return_scores=True,
    )
    return [(as_ours(result.hypotheses[0]), result.scores[0]) for result in results]


def lengths_of_ended(engine, beam_size):
    lengths = [len(tokens) for tokens, _ in translate(engine, LINES, beam_size)]
    return [length for length in lengths if 0 < length < LIMIT]


def as_ours(pieces):
    return ["<unk>" if piece.startswith("<unused_") else piece for piece in pieces]


def score(engine, sources, targets):
    results = engine.score_batch([list(line) for line in sources], [list(t) for t in targets])
    return [sum(result.log_probs) for result in results]


@pytest.fixture(scope="module", params=VARIANTS, name="pair")
def a_model_in_both_engines(request, tmp_path_factory):
    """Models with random weights tend to end at once or never: these do neither."""
    model = make_variant(request.param, SEEDS[request.param])
    target_tokenizer = target_tokenizer_of(VARIANTS[request.param])
    translator = make(model, target_tokenizer=target_tokenizer)
    engine = load(export_ctranslate2(translator, tmp_path_factory.mktemp("engine")))
    lengths = [lengths_of_ended(engine, beam_size) for beam_size in (1, 4)]
    assert min(map(len, lengths)) >= 2 and len(set(itertools.chain(*lengths))) >= 3
    return model, target_tokenizer, engine


# The same numbers


def test_greedy_search_finds_the_same_tokens_and_scores(pair):
    model, target_tokenizer, engine = pair
    ours = make(model, GreedySearch(), target_tokenizer).translate_detailed(LINES)
    ended = 0
    for one, (tokens, log_probability) in zip(ours, translate(engine, LINES, 1), strict=True):
        assert list(one.tokens[:LIMIT]) == tokens
        if len(tokens) < LIMIT:
            assert one.log_probability == pytest.approx(log_probability, abs=1e-4)
            ended += len(tokens) > 0
    assert ended >= 2


# The search does not know the model: two variants are enough.
@pytest.mark.parametrize("pair", ["paper", "two vocabularies"], indirect=True)
def test_beam_search_finds_what_ctranslate2_finds_or_better(pair):
    model, target_tokenizer, engine = pair
    beams = BeamSearch(4, length_penalty=0.0)
    ours = make(model, beams, target_tokenizer).translate_detailed(LINES)
    equal = 0
    for one, (tokens, log_probability) in zip(ours, translate(engine, LINES, 4), strict=True):
        if len(tokens) < LIMIT:  # without an end token it has another score
            assert one.score >= log_probability - 1e-4
            if list(one.tokens) == tokens:
                assert one.score == pytest.approx(log_probability, abs=1e-4)
                equal += len(tokens) > 0
    assert equal >= 2


@pytest.mark.parametrize("variant", SCORED_VARIANTS)
def test_given_translations_have_the_same_scores(variant, tmp_path):
    target_tokenizer = target_tokenizer_of(SCORED_VARIANTS[variant])
    translator = make(make_variant(variant), target_tokenizer=target_tokenizer)
    engine = load(export_ctranslate2(translator, tmp_path / "engine"))
    random = np.random.default_rng(7)
    letters = translator.target_tokenizer.pieces(range(4, 21))
    targets = ["".join(random.choice(letters, size=length)) for length in (0, 3, 11, 1, 6, 2, 9)]
    with eager_functions():
        expected = translator.score(LINES[:7], targets)
    assert np.ptp(expected) > 10  # not all the same
    np.testing.assert_allclose(score(engine, LINES[:7], targets), expected, atol=1e-4)


def test_a_line_by_itself_has_the_scores_it_has_in_a_padded_batch(tmp_path):
    translator = make()
    engine = load(export_ctranslate2(translator, tmp_path / "engine"))
    targets = ["eca", "", "bdbdbdb", "q"]
    together = score(engine, LINES[:4], targets)
    for line, target, expected in zip(LINES, targets, together, strict=False):
        assert score(engine, [line], [target]) == pytest.approx([expected], abs=1e-4)
        assert translator.score([line], [target]) == pytest.approx([expected], abs=1e-4)


def test_the_sinusoids_reach_as_far_as_ctranslate2_goes_by_itself(tmp_path):
    model = make_model(**FEW_LAYERS)
    short = make(model, max_source_tokens=3, max_extra_tokens=2)
    engine = load(export_ctranslate2(short, tmp_path / "engine"))
    source, target = "abc" * 90, "db" * 99
    with eager_functions():
        expected = make(model, max_source_tokens=300).score([source], [target])
    assert score(engine, [source], [target]) == pytest.approx(expected, rel=1e-5)
    engine.translate_batch([list(source)], min_decoding_length=256)  # its default is this much


def test_a_model_that_was_never_called_can_be_converted(tmp_path):
    export_ctranslate2(make(Transformer(**SIZES)), tmp_path / "engine")
    assert translate(load(tmp_path / "engine"), LINES[:1], 1)


# Vocabularies


def test_ids_that_the_tokenizer_does_not_know_have_a_piece_of_their_own(tmp_path):
    export_ctranslate2(make(), tmp_path / "engine")
    pieces = json.loads((tmp_path / "engine" / "shared_vocabulary.json").read_text())
    letters = [chr(ord("a") + i) for i in range(17)]
    special = ["<pad>", "<unk>", "<s>", "</s>"]
    assert pieces == [*special, *letters, "<unused_21>", "<unused_22>"]


def test_a_piece_twice_is_refused(tmp_path):
    translator = Translator(make_model(), TwiceTokenizer())
    with pytest.raises(ValueError, match=r"every piece once.*\['c'\].*TwiceTokenizer"):
        export_ctranslate2(translator, tmp_path / "engine")
    assert list(tmp_path.iterdir()) == []


def test_special_tokens_may_have_other_names_on_one_side(tmp_path):
    model = make_model(target_vocabulary_size=22, **FEW_LAYERS)
    translator = Translator(model, OtherwiseTokenizer(), LetterTokenizer("A", 18))
    engine = load(export_ctranslate2(translator, tmp_path / "engine"))
    with eager_functions():
        expected = make(model, target_tokenizer=LetterTokenizer("A", 18)).score(["abc"], ["BCD"])
    assert score(engine, ["abc"], ["BCD"]) == pytest.approx(expected, abs=1e-4)


# What CTranslate2 does not know


@pytest.mark.parametrize(
    "overrides, named",
    [
        ({"attention": MultiHeadAttention(3, 4, use_gate=True)}, "self_attention.*use_gate=True"),
        (
            {"attention": MultiHeadAttention(3, 4, sliding_window=5)},
            "self_attention.*sliding_window=5",
        ),
        (
            {"attention": MultiHeadAttention(3, 4, num_key_value_heads=1)},
            "self_attention.*num_key_value_heads=1",
        ),
        ({"attention": MultiHeadAttention(3, 5)}, "self_attention.*key_dim=5"),
        ({"attention": MultiHeadAttention(3, 4, value_dim=7)}, "self_attention.*value_dim=7"),
        ({"attention": AnotherAttention(3, 4)}, "self_attention.*AnotherAttention"),
        ({"position": None}, "position.*Received: none"),
        (
            {"output_projection": keras.layers.Dense(23, activation="tanh")},
            "output_projection.*Dense",
        ),
        ({"position": AnotherPosition()}, "position.*AnotherPosition"),
        ({"activation": "elu"}, "activation.*elu; CTranslate2 knows gelu, relu, silu, tanh"),
        ({"activation": approximate_gelu}, "activation.*gelu"),
        ({"feed_forward": AnotherFeedForward(17)}, "feed_forward.*AnotherFeedForward"),
        ({"normalization": None}, "normalization.*Received: none"),
        ({"normalization": keras.layers.UnitNormalization()}, "normalization.*UnitNormalization"),
        (
            {"normalization": keras.layers.LayerNormalization(center=False)},
            "normalization.*center=False",
        ),
    ],
)
def test_a_part_that_ctranslate2_does_not_know_is_named(overrides, named, tmp_path):
    with pytest.raises(ValueError, match=f"CTranslate2 has no such {named}"):
        export_ctranslate2(make(make_model(**overrides)), tmp_path / "deep" / "engine")
    assert list(tmp_path.iterdir()) == []


def test_heads_that_differ_inside_a_stack_are_refused():
    model = Transformer(**SIZES)
    model.decoder.blocks[1].cross_attention = MultiHeadAttention(2, 6)
    with pytest.raises(ValueError, match=r"no such attention.*num_heads=\[2, 3\]"):
        ctranslate2_spec(model)


def test_another_model_is_refused():
    with pytest.raises(ValueError, match="must be a Transformer. Received: AnotherTransformer"):
        ctranslate2_spec(AnotherTransformer(**SIZES))


# Files


def test_int8_makes_a_smaller_file_that_translates_and_leaves_the_model_alone(tmp_path):
    model = make_model(position="learned", max_sequence_length=37)
    translator = make(model)
    before = model.get_weights()
    plain = export_ctranslate2(translator, tmp_path / "plain")
    small = export_ctranslate2(translator, tmp_path / "small", quantization="int8")
    sizes = [(directory / "model.bin").stat().st_size for directory in (plain, small)]
    assert sizes[1] < 0.6 * sizes[0]
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)
    engine = load(small, compute_type="int8")
    assert len(translate(engine, LINES, 4)) == len(LINES)
    targets = ["bca", "ddd", "e", "fgfgf"]
    with eager_functions():
        expected = translator.score(LINES[:4], targets)
    np.testing.assert_allclose(score(engine, LINES[:4], targets), expected, rtol=0.1)


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method:UserWarning")
def test_a_model_that_keras_has_quantized_is_refused(tmp_path):
    model = make_model(tie_output=False)
    model.quantize("int8")
    with pytest.raises(ValueError, match="no such quantization.*Received: int8; CTranslate2 quant"):
        export_ctranslate2(make(model), tmp_path / "engine")


def test_an_unknown_quantization_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`quantization` must be one of.*Received: 'int3'"):
        export_ctranslate2(make(), tmp_path / "engine", quantization="int3")


def test_a_directory_that_holds_something_is_left_as_it_was(tmp_path):
    (tmp_path / "precious.txt").write_text("keep")
    for place in (tmp_path, tmp_path / "precious.txt"):
        with pytest.raises(ValueError, match="`directory` must be new or empty"):
            export_ctranslate2(make(), place)
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]
    assert (tmp_path / "precious.txt").read_text() == "keep"


def test_an_empty_directory_is_filled_and_a_link_to_one_stays_a_link(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    assert export_ctranslate2(make(), tmp_path / "link") == tmp_path / "link"
    assert (tmp_path / "link").is_symlink()
    written = {"config.json", "model.bin", "shared_vocabulary.json"}
    assert set(os.listdir(tmp_path / "empty")) == written
    assert sorted(os.listdir(tmp_path)) == ["empty", "link"]


def test_a_failure_leaves_nothing_behind(tmp_path, monkeypatch):
    def fill_the_disk(spec, directory):
        with open(os.path.join(directory, "model.bin"), "wb") as file:
            file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(ctranslate2.specs.TransformerSpec, "save", fill_the_disk)
    with pytest.raises(OSError, match="disk full"):
        export_ctranslate2(make(), tmp_path / "engine")
    assert list(tmp_path.iterdir()) == []


def test_without_ctranslate2_the_error_tells_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    with pytest.raises(ImportError, match=r'pip install "keras_attn\[ctranslate2\]"'):
        export_ctranslate2(make(), tmp_path / "engine")
    assert list(tmp_path.iterdir()) == []
