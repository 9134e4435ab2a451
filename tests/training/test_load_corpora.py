"""A recipe's files are found from any working directory, whatever its name."""

import pytest

from keras_attn.training import Recipe
from keras_attn.training.load_corpora import load_corpora
from keras_attn.training.recipe.data_recipe import DataRecipe
from keras_attn.training.tokenizer_pair import TokenizerPair


@pytest.mark.parametrize("train", ["train.tsv", "parts/*.tsv", "../*/parts/t*.tsv"])
def test_brackets_in_the_name_of_a_directory_are_no_pattern(train, tmp_path, monkeypatch):
    home = tmp_path / "digits [v1]"
    (home / "parts").mkdir(parents=True)
    for name, count in (("train", 6), ("validation", 2)):
        (home / f"{name}.tsv").write_text("".join(f"{i}\tn{i}\n" for i in range(count)))
    for name in ("t1", "t2"):
        (home / "parts" / f"{name}.tsv").write_text(f"{name} a\tb\n{name} c\td\n")
    monkeypatch.chdir(home)
    recipe = DataRecipe(kind="tsv", train=train, validation="validation.tsv")
    here, absolute = load_corpora(recipe), recipe.with_absolute_paths()
    monkeypatch.chdir(tmp_path)
    elsewhere = load_corpora(absolute)
    assert list(elsewhere.train) == list(here.train) and len(here.train) >= 4
    assert list(elsewhere.validation) == list(here.validation)


def test_runs_that_differ_in_the_seed_of_training_have_the_same_tokenizers(tmp_path):
    (tmp_path / "pairs.tsv").write_text("".join(f"Word {i}.\tWort {i}.\n" for i in range(99)))
    names = {"train": "pairs.tsv", "validation": "pairs.tsv"}
    texts = {"kind": "tsv", "directory": str(tmp_path), **names}
    for data in (
        {"kind": "phrasebook", "num_pairs": 50},
        {**texts, "augmentation": {"upper_case": 0.5, "numbers": 0.5}},
    ):
        recipe = Recipe.from_table(
            {
                "data": data,
                "tokenizer": {"kind": "word"},
                "model": {"preset": "transformer_tiny"},
                "training": {"max_steps": 1},
            }
        )
        first, second, other = (
            TokenizerPair.train(one.tokenizer, load_corpora(one.data).train)
            for one in (
                recipe,
                recipe.override({"training.seed": 2}),
                recipe.override({"data.seed": 2}),
            )
        )
        assert first.source.is_same(second.source) and not first.source.is_same(other.source)
