"""A fine-tuned run begins with tokenizers and weights of a translator; it needs it only then."""

import shutil

import numpy as np
import pytest

from keras_attn.pretrained import list_pretrained
from keras_attn.training import Recipe, train
from keras_attn.training.recipe.model_recipe import ModelRecipe
from keras_attn.training.trained_translators import read_start
from keras_attn.translator import Translator
from tests.support.reused_models import reused_models

FIRST = {"one": "eins", "two": "zwei", "three": "drei", "four": "vier"}
SECOND = {"two": "zwo", "three": "drei", "unknown": "unbekannt"}


@pytest.fixture(scope="module", autouse=True)
def graphs_are_traced_once():
    with reused_models():
        yield


def make_recipe(directory, words, **overrides) -> Recipe:
    """Word for word; one layer, no XLA, an update as large as the corpus."""
    directory.mkdir()
    lines = [f"{source}\t{target}\n" for source, target in words.items()]
    (directory / "pairs.tsv").write_text("".join(lines), encoding="utf-8")
    sizes = {"hidden_dim": 16, "intermediate_dim": 24, "num_heads": 2, "num_layers": 1}
    return Recipe.from_table(
        {
            "data": {"kind": "tsv", "directory": str(directory), "train": "pairs.tsv"}
            | {"validation": "pairs.tsv"},
            "tokenizer": {"kind": "word", "shared": False},
            "model": {"preset": "transformer_tiny", "overrides": {**sizes, **overrides}},
            "training": {"jit_compile": False, "num_buckets": 1, "max_steps": 2}
            | {"peak_learning_rate": 1e-9, "log_every_steps": 1, "sample_sentences": 0},
        }
    )


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    directory = tmp_path_factory.mktemp("first")
    recipe = make_recipe(directory / "data", FIRST)
    # A few large updates, so that no fresh model has these weights.
    recipe = recipe.override({"training.peak_learning_rate": 0.01, "training.warmup_steps": 1})
    return train(recipe, directory / "run").run


def words_of(tokenizer) -> list[str]:
    return tokenizer.pieces(range(tokenizer.vocabulary_size))


def test_it_begins_with_weights_and_tokenizers_of_the_translator(first, tmp_path):
    recipe = make_recipe(tmp_path / "data", SECOND, dropout=0.3)
    for name, start in (("of_run", first), ("of_translator", first / "translator")):
        run = train(recipe.override({"model.start_from": str(start)}), tmp_path / name).run
        tuned, before = Translator.load(run / "translator"), Translator.load(first / "translator")
        assert words_of(tuned.source_tokenizer) == words_of(before.source_tokenizer)
        assert words_of(tuned.target_tokenizer) == words_of(before.target_tokenizer)
        for weight, old in zip(tuned.model.weights, before.model.weights, strict=True):
            np.testing.assert_allclose(weight, old, atol=1e-7, err_msg=weight.path)


def test_a_resumed_run_no_longer_needs_the_translator(first, tmp_path):
    start = tmp_path / "start"
    shutil.copytree(first / "translator", start)
    recipe = make_recipe(tmp_path / "data", FIRST).override({"model.start_from": str(start)})
    train(recipe, tmp_path / "run")
    shutil.rmtree(start)
    longer = recipe.override({"training.max_steps": 3})
    assert train(longer, tmp_path / "run", resume=True).report["steps"] == 3


def test_a_model_of_another_form_is_refused_before_anything_is_written(first, tmp_path):
    recipe = make_recipe(tmp_path / "data", FIRST, intermediate_dim=28)
    with pytest.raises(ValueError, match=r"feed_forward.* with shape \(16, 28\) in .* \(16, 24\)"):
        train(recipe.override({"model.start_from": str(first)}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_start_that_is_no_translator_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"`model.start_from` must be .* Received: 'tatoeba_de_en'"
    ):
        read_start(ModelRecipe(start_from="tatoeba_de_en"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="`model.start_from` must be"):
        read_start(ModelRecipe(start_from=str(tmp_path / "empty")))


def test_a_shipped_model_is_named_and_a_directory_becomes_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    assert ModelRecipe(start_from="mine").with_absolute_paths().start_from == str(tmp_path / "mine")
    for name in list_pretrained():
        assert ModelRecipe(start_from=name).with_absolute_paths().start_from == name
