"""The Translator: order, batches, limits, scores, files."""

import itertools
import json
import math
import pkgutil

import numpy as np
import pytest
import tensorflow as tf

import keras_attn
from keras_attn.data import ByteTokenizer
from keras_attn.decoding import BeamSearch, GreedySearch, RandomSampling
from keras_attn.translator import TranslationReport, Translator
from tests.support.eager_functions import eager_functions
from tests.support.seeds import seed_weights

LINES = [
    "a longer line of text than the others",
    "",
    "Hello!",
    "Grüße aus Köln",
    "   ",
    "x",
    "middle sized line",
    "Hello!",
]


def make_model(seed=3, **overrides):
    """An untrained model, sharpened so that its translations differ from line to line."""
    seed_weights(seed)
    model = keras_attn.create_model(
        "transformer_tiny",
        source_vocabulary_size=260,
        **{"hidden_dim": 24, "intermediate_dim": 32, "num_heads": 3, "num_layers": 1, **overrides},
    )
    model.set_weights([w * 1.7 if w.ndim > 1 else w for w in model.get_weights()])
    return model


def make(model=None, **settings):
    settings = {"max_extra_tokens": 4, "jit_compile": False, **settings}
    return Translator(model or make_model(), ByteTokenizer(), **settings)


@pytest.fixture(scope="module", name="translator")
def one_translator():
    model = make_model(num_decoder_layers=2)
    return make(model, decoding=BeamSearch(num_beams=3, num_hypotheses=2))


def test_every_line_comes_back_in_its_place(translator):
    together = translator.translate(LINES)
    assert len(together) == len(LINES)
    assert together[1] == "" and together[2] == together[7]
    assert len(set(together)) >= 5  # the model does tell its inputs apart
    assert together == [translator.translate([line])[0] for line in LINES]


def test_blanks_are_a_line_without_tokens_for_a_tokenizer_that_drops_them(translator):
    class Stripping(ByteTokenizer):
        def tokenize(self, texts):
            return super().tokenize(tf.strings.strip(texts))

    stripping = Translator(translator.model, Stripping(), jit_compile=False, max_extra_tokens=2)
    assert stripping.translate(["  ", "a"])[0] == ""
    assert stripping.report.empty == 1


def test_compiled_and_plain_search_agree(translator):
    compiled = make(translator.model, decoding=translator.decoding, jit_compile=True)
    lines = ["Hello!", "", "x", "a b"]  # one shape, so one program
    for plain, fast in zip(
        translator.translate_detailed(lines), compiled.translate_detailed(lines), strict=True
    ):
        assert plain.text == fast.text
        assert plain.score == pytest.approx(fast.score, abs=1e-4)


def test_the_graph_that_is_served_says_the_same(translator):
    detailed = translator.translate_detailed(LINES)
    run = tf.function(
        translator.translate_tensor,
        input_signature=[tf.TensorSpec([None], tf.string)],
        autograph=False,
    )
    served = {name: value.numpy() for name, value in run(tf.constant(LINES)).items()}
    assert [text.decode() for text in served["translation"]] == [d.text for d in detailed]
    np.testing.assert_allclose(served["score"], [d.score for d in detailed], atol=1e-4)
    assert served["truncated"].tolist() == [d.truncated for d in detailed]
    assert run(tf.constant([], tf.string))["translation"].shape == (0,)


def test_a_batch_of_one_equals_a_batch_of_many_in_score_too(translator):
    together = translator.translate_detailed(LINES)
    for line, expected in zip(LINES, together, strict=True):
        alone = translator.translate_detailed([line])[0]
        assert alone.tokens == expected.tokens
        assert alone.log_probability == pytest.approx(expected.log_probability, abs=1e-4)


@pytest.mark.parametrize(
    "decoding",
    [GreedySearch(), BeamSearch(num_beams=4, num_hypotheses=4), RandomSampling(seed=5, top_k=9)],
)
def test_the_reported_probability_is_that_of_forced_decoding(decoding):
    translator = make(decoding=decoding)
    names = translator.target_tokenizer.pieces(range(260))
    ids_of = {name: token_id for token_id, name in enumerate(names)}
    assert len(ids_of) == 260
    compared = 0
    for translation in translator.translate_detailed(LINES):
        for hypothesis in (translation, *translation.alternatives):
            if hypothesis.tokens:
                ids = [ids_of[token] for token in hypothesis.tokens]
                expected = log_probability(translator.model, hypothesis.source, ids)
                assert hypothesis.log_probability == pytest.approx(expected, abs=3e-4)
                compared += 1
    assert compared >= 7


def log_probability(model, source, target_ids):
    """Forced decoding of one pair, in float64, by nothing but the model's logits."""
    source_ids = [byte + 4 for byte in source.encode()]
    logits = model(
        {
            "encoder_token_ids": np.array([[*source_ids, 3]]),
            "decoder_token_ids": np.array([[2, *target_ids]]),
        }
    )
    logits = np.asarray(logits[0], "float64")
    logits -= np.log(np.exp(logits).sum(-1, keepdims=True))
    return sum(logits[t, token] for t, token in enumerate([*target_ids, 3]))


@pytest.fixture(scope="module", name="plain")
def one_translator_with_the_default_search():
    return make()


def test_scores_are_the_sum_of_the_models_log_probabilities(plain):
    source, target = "some source", "a target"
    expected = log_probability(plain.model, source, [byte + 4 for byte in target.encode()])
    scores = plain.score(
        ["another, much longer source line", source, "b"],
        ["x", target, "some longer target than that"],
    )
    assert scores[1] == pytest.approx(expected, abs=1e-4)


def test_the_probabilities_of_some_targets_sum_to_less_than_one(plain):
    targets = ["", *(chr(c) for c in range(1, 128))]
    scores = plain.score(["abc"] * len(targets), targets)
    assert 0 < sum(math.exp(score) for score in scores) < 1


def test_a_wide_beam_finds_the_best_of_all_targets():
    model = make_model(hidden_dim=12)
    # Only three symbols can win: all other logits are pushed down by the output matrix itself.
    table = model.shared_embedding.embeddings
    values = np.asarray(table).copy()
    values[[i for i in range(260) if i not in (3, 101, 102)]] *= 1e-3
    table.assign(values)
    translator = make(
        model, decoding=BeamSearch(num_beams=400, length_penalty=0.0), max_extra_tokens=0
    )
    source = "eb"  # limit: 2 tokens and the end
    best = translator.translate_detailed([source])[0]
    candidates = ["", *"abcdef", *("".join(p) for p in itertools.product("abcdef", repeat=2))]
    scores = translator.score([source] * len(candidates), candidates)
    assert best.log_probability >= max(scores) - 1e-4


def test_empty_sources_have_empty_targets_for_certain(plain):
    assert plain.score(["", ""], ["", "word"]) == [0.0, -math.inf]
    empty = plain.translate_detailed([""])[0]
    assert (empty.text, empty.log_probability, empty.truncated) == ("", 0.0, False)


def test_long_lines_are_translated_as_far_as_allowed_and_counted():
    translator = make(max_source_tokens=10)
    cut, whole = translator.translate_detailed(["0123456789ABCDEF", "0123456789"])
    assert cut.truncated and cut.text == whole.text
    assert len(cut.source_tokens) == 11  # and the end token
    assert translator.report.truncated_sources == 1
    assert "(1 too long to be read whole)" in str(translator.report)


def test_scoring_counts_the_sources_that_it_reads_in_part():
    translator = make(max_source_tokens=4)
    long, part = "abcdefgh", "abcd"
    scores = translator.score([long, part, "", "abc"], ["x", "x", "", "xyz"])
    assert scores[0] == pytest.approx(scores[1])
    assert translator.report == TranslationReport(4, empty=1, truncated=1, truncated_sources=1)
    translator.score(["ab"], ["c"])
    assert translator.report == TranslationReport(1)


def test_output_is_never_longer_than_the_source_and_the_extra_tokens(translator):
    for translation in translator.translate_detailed(LINES):
        source_length = len(translation.source.encode())
        assert len(translation.tokens) <= source_length + translator.max_extra_tokens
    truncated = sum(t.truncated for t in translator.translate_detailed(LINES))
    assert translator.report.truncated == truncated


def test_learned_positions_bound_both_sides():
    model = make_model(position="learned", max_sequence_length=12)
    translator = make(model, max_extra_tokens=50)
    translation = translator.translate_detailed(["a line that is longer than positions"])[0]
    assert translation.truncated and len(translation.source_tokens) == 12
    assert len(translation.tokens) <= 11
    with pytest.raises(ValueError, match="Received: a target of 15 tokens"):
        translator.score(["a"], ["b" * 14])


def test_alternatives_are_different_and_in_order(translator):
    for translation in translator.translate_detailed(LINES):
        if translation.tokens:
            ranked = [translation, *translation.alternatives]
            assert [t.score for t in ranked] == sorted((t.score for t in ranked), reverse=True)
            assert len({t.tokens for t in ranked}) == len(ranked) == 2


def test_attention_of_a_translation_is_that_of_the_model(translator):
    translation = translator.translate_detailed(["Hello!"], attention=True)[0]
    length = len(translation.tokens) + 1
    assert translation.attention.shape == (2, 3, length, 7)
    np.testing.assert_allclose(translation.attention.sum(-1), 1, atol=1e-5)
    assert len(translation.source_tokens) == 7


def test_the_n_best_of_no_lines_are_none():
    translator = make(decoding=BeamSearch(3), max_extra_tokens=0)
    outputs = translator.graph.n_best(tf.constant([], tf.string))
    assert {name: value.shape.as_list() for name, value in outputs.items()} == {
        "translations": [0, 3],
        "scores": [0, 3],
    }


def test_reports_count_lines_and_empty_lines(translator):
    translator.translate(LINES)
    assert (translator.report.lines, translator.report.empty) == (8, 1)
    assert translator.translate([]) == []


# Files


def test_a_saved_translator_translates_and_scores_the_same(translator, tmp_path):
    translator.save(tmp_path / "translator")
    again = Translator.load(tmp_path / "translator")
    assert again.decoding.get_config() == translator.decoding.get_config()
    assert again.max_extra_tokens == 4 and again.source_tokenizer is again.target_tokenizer
    expected = translator.translate_detailed(LINES)
    assert again.translate_detailed(LINES) == expected


def test_saving_replaces_an_old_translator_and_nothing_else(translator, tmp_path):
    translator.save(tmp_path / "t")
    translator.save(tmp_path / "t")
    assert [path.name for path in tmp_path.iterdir()] == ["t"]
    (tmp_path / "file").write_text("keep")
    with pytest.raises(ValueError, match="must be new, empty or a translator's"):
        translator.save(tmp_path / "file")
    (tmp_path / "file").unlink()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "precious.txt").write_text("keep")
    with pytest.raises(ValueError, match="`directory` must be new, empty or a translator's"):
        translator.save(tmp_path / "other")
    assert (tmp_path / "other" / "precious.txt").read_text() == "keep"


def add_files(directory):
    """Files of the user, and two that belong to the translator that is replaced."""
    for name in ("NOTES.md", "sub/deep/corpus.txt", "litert/litert.json", "confidence.json"):
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(name)
    (directory / "link").symlink_to("sub")


def files_of(directory):
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))


def test_saving_keeps_other_files_and_drops_exports_of_the_old_translator(translator, tmp_path):
    translator.save(tmp_path / "t")
    own = files_of(tmp_path / "t")
    add_files(tmp_path / "t")
    translator.save(tmp_path / "t")
    kept = ["NOTES.md", "link", "sub", "sub/deep", "sub/deep/corpus.txt"]
    assert files_of(tmp_path / "t") == sorted(own + kept)
    assert (tmp_path / "t/link").is_symlink()
    assert (tmp_path / "t/sub/deep/corpus.txt").read_text() == "sub/deep/corpus.txt"
    assert [path.name for path in tmp_path.iterdir()] == ["t"]


@pytest.mark.parametrize("part", ["os.link", "pathlib.Path.rename"])
def test_a_save_that_fails_late_leaves_other_files_alone(translator, tmp_path, monkeypatch, part):
    translator.save(tmp_path / "t")
    add_files(tmp_path / "t")
    before = files_of(tmp_path / "t")
    original = pkgutil.resolve_name(part)

    def fail_at_the_new_directory(source, target, **options):
        if "-old-" in f"{source} {target}" or str(source).endswith("NOTES.md"):
            return original(source, target, **options)
        raise OSError("disk full")

    monkeypatch.setattr(part, fail_at_the_new_directory)
    monkeypatch.setattr("shutil.copy2", fail_at_the_new_directory)
    with pytest.raises(OSError, match="disk full"):
        translator.save(tmp_path / "t")
    monkeypatch.undo()
    assert files_of(tmp_path / "t") == before
    assert [path.name for path in tmp_path.iterdir()] == ["t"]


def test_a_failing_save_leaves_the_old_translator_whole(translator, tmp_path, monkeypatch):
    translator.save(tmp_path / "t")

    def fail(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(ByteTokenizer, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        translator.save(tmp_path / "t")
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["t"]
    assert Translator.load(tmp_path / "t").translate(["a"]) == translator.translate(["a"])


def test_directories_that_are_no_whole_translator_are_named(translator, tmp_path):
    with pytest.raises(ValueError, match="must hold a saved translator. Received"):
        Translator.load(tmp_path / "nowhere")
    translator.save(tmp_path / "t")
    settings_path = tmp_path / "t" / "translator.json"
    settings = json.loads(settings_path.read_text())
    settings_path.write_text(json.dumps({**settings, "format_version": 99}))
    with pytest.raises(ValueError, match="has format version 99"):
        Translator.load(tmp_path / "t")
    incomplete = {name: settings[name] for name in settings if name != "decoding"}
    for damaged in ("{", "[]", json.dumps(incomplete)):
        settings_path.write_text(damaged)
        with pytest.raises(ValueError, match="is damaged"):
            Translator.load(tmp_path / "t")
    settings_path.write_text(json.dumps(settings))
    model_path = tmp_path / "t" / "model.keras"
    content = model_path.read_bytes()
    middle = len(content) // 2
    spoiled = content[:middle] + bytes(255 - byte for byte in content[middle : middle + 9])
    for damaged in (b"", content[:middle], spoiled + content[middle + 9 :]):
        model_path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"model\.keras is damaged.*Save it again"):
            Translator.load(tmp_path / "t")
    model_path.unlink()
    with pytest.raises(ValueError, match="model.keras is missing"):
        Translator.load(tmp_path / "t")


def test_targets_of_different_lengths_are_scored_together_as_alone(translator):
    sources, targets = ["ab", "ab", "abc", "ab"], ["x", "xyz", "", "a much longer target"]
    together = translator.score(sources, targets)
    alone = [translator.score([one], [two])[0] for one, two in zip(sources, targets, strict=True)]
    np.testing.assert_allclose(together, alone, rtol=1e-5)


# Settings


def test_a_setting_that_changes_counts_from_the_next_call_on(translator):
    changed = make(translator.model, decoding="greedy")
    greedy = changed.translate(LINES)
    changed.decoding = BeamSearch(num_beams=3, num_hypotheses=2)
    beam = translator.translate_detailed(LINES)
    assert [one.text for one in beam] != greedy
    assert changed.translate_detailed(LINES) == beam
    changed.decoding.num_hypotheses = 1  # the strategy itself
    assert not any(one.alternatives for one in changed.translate_detailed(LINES))
    with eager_functions():  # what follows does not depend on how it is run
        changed.max_extra_tokens, changed.max_source_tokens = 0, 2
        shorter = changed.translate_detailed(LINES)
        assert max(len(one.tokens) for one in shorter) <= 3
        assert changed.report.truncated_sources > 0
        before = changed.score(["ab"], ["cd"])
        changed.model = make_model(seed=8)
        assert changed.score(["ab"], ["cd"]) != before


@pytest.mark.parametrize("name, value", [("max_extra_tokens", -1), ("jit_compile", "no")])
def test_a_bad_setting_is_named_at_the_next_call(translator, name, value):
    changed = make(translator.model)
    setattr(changed, name, value)
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        changed.translate(LINES)


def test_beams_and_compilation_may_be_chosen_when_it_is_loaded(translator, tmp_path):
    translator.save(tmp_path / "t")
    again = Translator.load(tmp_path / "t", num_beams=1, jit_compile=True)
    assert (again.decoding.num_beams, again.decoding.num_hypotheses) == (1, 1)
    assert again.decoding.length_penalty == translator.decoding.length_penalty
    assert again.jit_compile is True
    with pytest.raises(ValueError, match="`num_beams` must be an integer of at least 1"):
        Translator.load(tmp_path / "t", num_beams=0)


# Errors


def test_a_tokenizer_that_knows_more_than_the_model_is_refused():
    model = keras_attn.create_model(
        "transformer_tiny", source_vocabulary_size=50, hidden_dim=8, num_heads=2
    )
    with pytest.raises(ValueError, match="260 tokens, model.source_vocabulary_size=50"):
        Translator(model, ByteTokenizer())


@pytest.mark.parametrize("texts", ["one string", b"bytes", [b"bytes"], [3], None])
def test_texts_must_be_a_sequence_of_str(translator, texts):
    with pytest.raises(
        ValueError, match="`texts` must (be a list of str|hold strings only).*Received: "
    ):
        translator.translate(texts)


def test_sources_and_targets_must_be_equally_many(translator):
    with pytest.raises(ValueError, match="2 sources, 1 targets"):
        translator.score(["a", "b"], ["c"])


def test_bad_settings_are_named(translator):
    with pytest.raises(ValueError, match="`jit_compile` must be True, False or 'auto'"):
        make(translator.model, jit_compile="sometimes")
    with pytest.raises(ValueError, match="`max_source_tokens` must be an integer of at least 1"):
        make(translator.model, max_source_tokens=0)


class LastOfThree(GreedySearch):
    """A strategy of a user's own."""


def test_a_search_of_ones_own_is_saved_and_loaded(translator, tmp_path):
    make(translator.model, decoding=LastOfThree(min_length=2)).save(tmp_path / "t")
    again = Translator.load(tmp_path / "t").decoding
    assert isinstance(again, LastOfThree) and again.min_length == 2


def test_lines_may_come_as_an_array_or_a_generator(translator):
    expected = translator.translate(LINES[:3])
    assert translator.translate(np.array(LINES[:3])) == expected
    assert translator.translate(line for line in LINES[:3]) == expected


def test_a_model_without_numbers_says_so():
    model = make_model()
    model.set_weights([w * np.nan for w in model.get_weights()])
    with pytest.raises(ValueError, match="logits of the model are NaN"):
        make(model).translate(["a"])
