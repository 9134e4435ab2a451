"""Recipes round trip through TOML, and say what is wrong with a key or a value."""

import dataclasses
import math

import pytest

from keras_attn.training.recipe.data_recipe import DataRecipe
from keras_attn.training.recipe.model_recipe import ModelRecipe
from keras_attn.training.recipe.recipe import Recipe, built_in_recipe_names
from keras_attn.training.recipe.recipe_info import list_recipes
from keras_attn.training.recipe.training_recipe import TrainingRecipe
from keras_attn.training.recipe.write_commented import write_commented


@pytest.mark.parametrize("name", built_in_recipe_names())
def test_every_built_in_recipe_is_valid_states_its_cost_and_round_trips(name, tmp_path):
    recipe = Recipe.named(name)
    assert recipe.description and recipe.cost and recipe.expected_score
    recipe.to_toml(tmp_path / "recipe.toml")
    assert Recipe.from_toml(tmp_path / "recipe.toml") == recipe
    assert [path.name for path in tmp_path.iterdir()] == ["recipe.toml"]


def test_the_list_has_the_papers_two_models_and_the_demonstration():
    infos = {info.name: info for info in list_recipes()}
    assert {"phrasebook_tiny", "multi30k_en_de", "tatoeba_en_de"} < set(infos)
    assert "27.3" in infos["wmt14_en_de_base"].expected_score
    assert "28.4" in infos["wmt14_en_de_big"].expected_score
    assert "published" in infos["wmt14_en_de_big"].expected_score


def test_the_papers_recipes_have_the_papers_numbers():
    base, big = Recipe.named("wmt14_en_de_base"), Recipe.named("wmt14_en_de_big")
    assert (base.training.max_steps, big.training.max_steps) == (100_000, 300_000)
    assert (base.training.average_last, big.training.average_last) == (5, 20)
    for recipe in (base, big):
        assert recipe.training.warmup_steps == 4000
        assert recipe.training.label_smoothing == 0.1
        assert recipe.training.peak_learning_rate is None
        assert recipe.training.global_batch_tokens == 25_000
        assert recipe.tokenizer.vocabulary_size == 37_000 and recipe.tokenizer.shared
        assert recipe.decoding.config == {"num_beams": 4, "length_penalty": 0.6}


def test_tuples_are_lists_as_in_a_file():
    splits = {"train": ("a.en", "a.de"), "validation": ("v.en", "v.de")}
    data = DataRecipe(kind="text_pair", **splits)
    model = ModelRecipe(overrides={"attention": {"name": "local", "sizes": (1, (2, 3))}})
    assert data.train == ["a.en", "a.de"]
    assert model.overrides["attention"]["sizes"] == [1, [2, 3]]


@pytest.mark.parametrize(
    "field, value", [("max_minutes", math.inf), ("max_epochs", math.inf), ("clip_norm", math.nan)]
)
def test_numbers_are_finite(field, value):
    with pytest.raises(ValueError, match=f"`training.{field}` must be finite.*Set it to none"):
        TrainingRecipe(**{field: value})


def test_every_field_has_a_description():
    recipe = Recipe.named("phrasebook_tiny")
    for section in (recipe.data, recipe.tokenizer, recipe.model, recipe.training, recipe.decoding):
        for field in dataclasses.fields(section):
            assert field.metadata["description"], field.name


def test_overrides_read_toml_values_bare_strings_and_entries_of_tables():
    recipe = Recipe.named("multi30k_en_de").override(
        {
            "training.max_steps": "100",
            "training.max_minutes": "none",
            "training.jit_compile": "false",
            "data.directory": "/some/where",
            "data.train": "2024",  # a number, but the field is text
            "model.overrides.num_layers": "2",
            "decoding.config.length_penalty": 0.9,
        }
    )
    assert recipe.training.max_steps == 100 and recipe.training.max_minutes is None
    assert recipe.training.jit_compile is False
    assert recipe.data.directory == "/some/where" and recipe.data.train == "2024"
    assert recipe.model.overrides["num_layers"] == 2
    assert recipe.model.overrides["hidden_dim"] == 128
    assert recipe.decoding.config == {"num_beams": 4, "length_penalty": 0.9}
    assert recipe.name == "multi30k_en_de"


def test_an_override_leaves_the_recipe_it_came_from_alone():
    recipe = Recipe.named("multi30k_en_de")
    recipe.override({"model.overrides.num_layers": "2"})
    assert recipe.model.overrides["num_layers"] == 4


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ({"training.max_step": "1"}, r"`training.max_step` .*'training.max_steps'"),
        ({"max_steps": "1"}, r"`max_steps` .*'training.max_steps'"),
        ({"trainin.seed": "1"}, r"`trainin.seed` .*'training.seed'"),
        ({"training.max_steps": "many"}, r"`training.max_steps` must be a whole number.*'many'"),
        ({"training.max_steps": "1.5"}, r"`training.max_steps` must be a whole number.*1.5"),
        ({"training.max_steps": "true"}, r"`training.max_steps` must be a whole number.*"),
        ({"training.jit_compile": "1"}, r"`training.jit_compile` must be true or false"),
        ({"training.label_smoothing": "2"}, r"`training.label_smoothing` must be at most"),
        ({"training.warmup_steps": "none"}, r"`training.warmup_steps` must have a value"),
        ({"training.strategy": "miror"}, r"`training.strategy` must be one of.*'mirrored'"),
        ({"data.kind.x": "1"}, r"`data.kind` is not a table"),
        ({"training.average_last": "9"}, r"`training.average_last` must be at most"),
        ({"training.num_buckets": "13"}, r"`training.num_buckets` must be at most 12"),
        ({"training.max_minutes": "none", "training.max_steps": "none"}, "must have a limit"),
        ({"data.kind": "text_directory"}, r"`data.directory`.*--set data.directory=DIR"),
        ({"data.kind": "text_pair"}, r"`data.train` must be a list of two files"),
        ({"data.kind": "tfds"}, r"`data.tfds_name` must be given"),
    ],
)
def test_a_wrong_override_is_refused_with_the_name_and_the_rule(override, message):
    with pytest.raises(ValueError, match=message):
        Recipe.named("phrasebook_tiny").override(override)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[trainning]\nmax_steps = 1", r"my.toml: `trainning` .*'training'"),
        ("[training]\nmax_stpes = 1", r"my.toml: `training.max_stpes` .*'max_steps'"),
        ("[training]\nmax_steps = '1'", r"my.toml: `training.max_steps` must be a whole number"),
        ("training = 3", r"`training` must be a table"),
        ("cost = 3\n[training]\nmax_steps=1", r"`cost` must be a string"),
        ("[training", r"my.toml: "),
    ],
)
def test_a_wrong_file_is_refused_with_its_path(text, message, tmp_path):
    (tmp_path / "my.toml").write_text(text)
    with pytest.raises(ValueError, match=message):
        Recipe.named(tmp_path / "my.toml")


def test_a_file_works_where_a_name_does_and_lends_its_name(tmp_path):
    (tmp_path / "my.toml").write_text("[training]\nmax_steps = 7\n")
    recipe = Recipe.named(str(tmp_path / "my.toml"))
    assert recipe.name == "my" and recipe.training == TrainingRecipe(max_steps=7)


def test_an_unknown_recipe_lists_the_nearest_names(tmp_path):
    with pytest.raises(ValueError, match="'multi30k_de_en'.*'multi30k_en_de'"):
        Recipe.named("multi30k_de_en")
    with pytest.raises(ValueError, match="nowhere.toml"):
        Recipe.named(tmp_path / "nowhere.toml")


@pytest.mark.parametrize("text", ["{num_layers = 3}", '{"num_layers": 3}'])
def test_a_table_is_set_as_toml_or_json(text):
    recipe = Recipe.named("phrasebook_tiny").override({"model.overrides": text})
    assert recipe.model.overrides == {"num_layers": 3}


def test_a_table_that_is_none_is_refused_with_an_example():
    with pytest.raises(ValueError, match=r"a table, such as \{num_layers = 3\} or"):
        Recipe.named("phrasebook_tiny").override({"model.overrides": "num_layers"})


def test_none_is_kept_where_the_default_is_a_number(tmp_path):
    """TOML has no value for it, and a field that is left out has its default."""
    recipe = Recipe.named("phrasebook_tiny")
    for field in ("log_every_steps", "save_every_minutes"):
        assert getattr(recipe.training, field) is not None
        for none in ("none", None):
            changed = recipe.override({f"training.{field}": none})
            assert getattr(changed.training, field) is None
            assert getattr(changed.override({"training.seed": 7}).training, field) is None
            changed.to_toml(tmp_path / "all.toml")
            write_commented(changed, tmp_path / "commented.toml")
            for name in ("all", "commented"):
                again = Recipe.from_toml(tmp_path / f"{name}.toml")
                assert again.training == changed.training
    with pytest.raises(ValueError, match="`training.seed` must be a whole number.*'none'"):
        Recipe.from_table({"training": {"max_steps": 1, "seed": "none"}})


@pytest.mark.parametrize("word", ["none", "None"])
def test_the_word_none_means_the_same_in_a_file_and_with_set(tmp_path, word):
    """It clears a field that may be empty, unless the field has a choice of that name."""
    recipe = Recipe.named("phrasebook_tiny")
    fields = [
        ("training.max_minutes", None),
        ("training.log_every_steps", None),
        ("data.directory", None),
    ]
    if word == "none":
        fields += [("training.bleu_tokenizer", "none"), ("training.decay", "none")]
    for field, kept in fields:
        section, name = field.split(".")
        path = tmp_path / "recipe.toml"
        path.write_text(f'training.max_steps = 9\n{field} = "{word}"\n')
        of_file = getattr(getattr(Recipe.from_toml(path), section), name)
        of_set = getattr(getattr(recipe.override({field: word}), section), name)
        assert of_file == of_set == kept, field
    chosen = recipe.override({"training.bleu_tokenizer": "none"})
    assert chosen.bleu_tokenizer == "none"
    assert chosen.override({"training.bleu_tokenizer": None}).bleu_tokenizer == "13a"


def test_an_address_stays_what_it_is_and_a_path_becomes_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for directory, expected in (("gs://bucket/tfds", "gs://bucket/tfds"), ("a", f"{tmp_path}/a")):
        recipe = DataRecipe(kind="tfds", tfds_name="x", directory=directory)
        assert recipe.with_absolute_paths().directory == expected
