"""BLEU in training counts the words of the target language, or says that it cannot."""

import io

import pytest
from rich.console import Console

from keras_attn.cli.evaluate import _recipe_of_run
from keras_attn.training.callbacks import validation_scores
from keras_attn.training.load_corpora import load_corpora
from keras_attn.training.prepare_data import _check_bleu
from keras_attn.training.prepare_session import prepare_session
from keras_attn.training.recipe.recipe import Recipe
from keras_attn.training.run.run_directory import RunDirectory
from keras_attn.training.trainer import train

CHINESE = ["两只狗在公园里奔跑。", "老师把书放在桌子上。", "今天早上下了一场大雨。"]
ENGLISH = ["Two dogs run in the park.", "The teacher puts the book down.", "It rained today."]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Recipe:
    """Three pairs, one layer and two updates."""
    directory = tmp_path_factory.mktemp("corpus")
    lines = [f"{one}\t{two}\n" for one, two in zip(ENGLISH, CHINESE, strict=True)]
    (directory / "all.tsv").write_text("".join(lines), encoding="utf-8")
    return Recipe.from_table(
        {
            "data": {
                "kind": "tsv", "directory": str(directory), "target_language": "zh",
                "train": "all.tsv", "validation": "all.tsv", "test": "all.tsv",
            },
            "tokenizer": {"kind": "byte"},
            "model": {
                "preset": "transformer_tiny",
                "overrides": {"hidden_dim": 16, "intermediate_dim": 24, "num_layers": 1},
            },
            "training": {
                "jit_compile": False, "num_buckets": 1, "max_steps": 2, "bleu_sentences": 2,
                "sample_sentences": 0,
                "selection_metric": "bleu",
            },
            "decoding": {"class_name": "GreedySearch", "max_extra_tokens": 2},
        },
        name="chinese",
    )  # fmt: skip


def tokenizer_of(location: str) -> str | None:
    found = _recipe_of_run(location)
    return None if found is None else found.bleu_tokenizer


@pytest.mark.slow
def test_every_bleu_of_a_run_is_by_the_tokenizer_of_its_target_language(
    recipe, tmp_path, monkeypatch, capsys
):
    tokenizers = []

    def remember(translator, sources, references, **options):
        tokenizers.append(options["bleu_tokenizer"])
        return evaluate(translator, sources, references, **options)

    evaluate = validation_scores.evaluate
    monkeypatch.setattr(validation_scores, "evaluate", remember)
    report = train(recipe, tmp_path / "run", progress=False).report
    assert set(tokenizers) == {"zh"}
    for split in ("validation", "test"):
        assert "tok:zh" in report[split]["signatures"]["bleu"]
    assert tokenizer_of(str(tmp_path / "run")) == "zh"
    assert tokenizer_of(str(tmp_path / "run" / "translator")) == "zh"
    assert tokenizer_of(str(tmp_path)) is None
    capsys.readouterr()
    (tmp_path / "run" / "recipe.toml").write_text("[dta]", encoding="utf-8")
    assert tokenizer_of(str(tmp_path / "run")) is None
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "13a" in error and "recipe.toml" in error


def test_a_best_checkpoint_is_not_chosen_among_zeros(recipe, tmp_path):
    german = recipe.override({"data.target_language": "de"})
    with pytest.raises(ValueError, match="no spaces between words.*'de'") as caught:
        train(german, tmp_path / "run", progress=False)
    assert "\n" not in str(caught.value) and "training.bleu_tokenizer" in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("overrides", "is_said"),
    [
        ({"data.target_language": "de", "training.selection_metric": "loss"}, True),
        ({"training.bleu_tokenizer": "13a"}, True),  # as the user wants it
        ({"training.bleu_tokenizer": "char"}, False),
        ({}, False),
    ],
)
def test_a_bleu_that_will_mean_nothing_is_announced(overrides, is_said, recipe):
    output = io.StringIO()
    recipe = recipe.override(overrides)
    _check_bleu(recipe, load_corpora(recipe.data), Console(file=output))
    assert ("BLEU means nothing here" in output.getvalue()) is is_said


def test_a_tokenizer_that_lacks_its_package_ends_a_training_before_it_begins(
    recipe, tmp_path, monkeypatch
):
    monkeypatch.setattr("sacrebleu.tokenizers.tokenizer_ja_mecab.MeCab", None)
    japanese = recipe.override({"data.target_language": "ja"})
    with pytest.raises(ValueError, match=r"`training.bleu_tokenizer`.*keras_attn\[japanese"):
        train(japanese, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()
    without_bleu = japanese.override(
        {
            "training.selection_metric": "loss",
            "training.bleu_sentences": "0",
            "data.test": "none",
        }
    )
    run = RunDirectory(tmp_path / "run")
    prepare_session(without_bleu, run, False, Console(file=io.StringIO()))
    assert run.recipe.is_file()


def test_a_misspelled_tokenizer_is_answered_with_the_nearest(recipe):
    with pytest.raises(ValueError, match="`training.bleu_tokenizer`.*Did you mean 'ja-mecab'"):
        recipe.override({"training.bleu_tokenizer": "ja-mcab"})
